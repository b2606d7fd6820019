"""Who may command: a token in a file, compared in constant time, with a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

MIN_TOKEN_CHARS, MAX_TOKEN_CHARS = 16, 256
MAX_WRONG_TOKENS = 5
"""Wrong tokens from one address within `WINDOW_S` until it has to wait."""
WINDOW_S = 60.0
WAIT_S = 30.0
_MAX_ADDRESSES = 1000


class TokenError(ValueError):
    """A token file that cannot be used; the text names the file and what to do."""


def read_token(path: Path) -> str:
    """The token in a file, which is made with a random one when it is missing.

    Raises:
        TokenError: unreadable, readable by others, not one line of 16 to 256 printable characters.
    """
    try:
        if not path.exists():
            _make_token(path)
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise TokenError(f"token file {path} is not a file")
        if mode & 0o077:
            raise TokenError(f"token file {path} is open to others (mode {mode & 0o777:o}): chmod 600 {path}")
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise TokenError(f"token file {path} holds more than plain letters, digits and signs") from None
    except OSError as error:
        where = "" if error.filename in (None, str(path)) else f": {error.filename}"
        raise TokenError(f"token file {path} cannot be used: {error.strerror}{where}") from None
    token = text.strip()
    if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
        raise TokenError(
            f"token file {path} holds {len(token)} characters, "
            f"a token has {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS}"
        )
    if not token.isprintable() or " " in token:
        raise TokenError(f"token file {path} must hold one line without blanks")
    return token


def _make_token(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secrets.token_urlsafe(24) + "\n")


class Access:
    """Checks tokens and counts wrong ones per address.

    Args:
        token: the right one.
        clock: seconds, monotonic.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._digest = _digest(token)
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self.wrong_tokens = 0

    def session(self, address: str) -> Session:
        """What one connection from `address` may do."""
        return Session(self, address)

    def matches(self, token: object) -> bool:
        """Whether the token is right; takes the same time for every wrong one."""
        text = token if isinstance(token, str) and len(token) <= MAX_TOKEN_CHARS else ""
        return hmac.compare_digest(_digest(text), self._digest)

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before it may try again, 0 when it may try now."""
        times = self._wrong.get(address)
        if times is None or len(times) < MAX_WRONG_TOKENS or times[0] < self._clock() - WINDOW_S:
            return 0.0
        return max(0.0, times[-1] + WAIT_S - self._clock())

    def count_wrong(self, address: str) -> None:
        """Remember a wrong token; the addresses remembered are bounded."""
        self.wrong_tokens += 1
        times = self._wrong.setdefault(address, deque(maxlen=MAX_WRONG_TOKENS))
        times.append(self._clock())
        self._wrong.move_to_end(address)
        if len(self._wrong) > _MAX_ADDRESSES:
            self._wrong.popitem(last=False)


class Session:
    """The tokens that came over one connection.

    A connection that has shown the right token is not made to wait for wrong ones that others at the same
    address sent: nobody can lock the operator out of the stop.
    """

    def __init__(self, access: Access, address: str) -> None:
        self._access, self._address = access, address
        self._proved = False

    def refusal(self, token: object) -> str:
        """Why a command with this token is refused; empty when it is allowed."""
        wait_s = 0.0 if self._proved else self._access.wait_s(self._address)
        if wait_s > 0:
            return f"too many wrong tokens: wait {wait_s:.0f} s"
        if not token:
            return "view only: a command needs the control token"
        if self._access.matches(token):
            self._proved = True
            return ""
        self._proved = False
        self._access.count_wrong(self._address)
        return "the control token is wrong"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
