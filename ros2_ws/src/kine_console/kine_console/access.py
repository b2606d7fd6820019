"""Who may command: a token in a file, compared in constant time.

The right token is let in whatever others have tried before it: through a tunnel all viewers have one address,
and nobody may lock the operator out. Guessing is hopeless by the token's length, and slowed down by how many
requests a connection may send.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

MIN_TOKEN_CHARS, MAX_TOKEN_CHARS = 16, 256
MAX_FILE_BYTES = 1024


class TokenError(ValueError):
    """A token file that cannot be used; the text names the file and what to do."""


def read_token(path: Path) -> str:
    """The token in a file, which is made with a random one when it is missing.

    Raises:
        TokenError: unreadable, of another user, open to others, not one line of 16 to 256 printable
            characters.
    """
    try:
        if not path.exists():
            _make_token(path)
        _check_folder(path)
        data = _read_private(path)
    except OSError as error:
        where = "" if error.filename in (None, str(path)) else f": {error.filename}"
        raise TokenError(f"token file {path} cannot be used: {error.strerror}{where}") from None
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise TokenError(f"token file {path} holds more than plain letters, digits and signs") from None
    if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
        raise TokenError(
            f"token file {path} holds {len(token)} characters, "
            f"a token has {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS}"
        )
    if not token.isprintable() or " " in token:
        raise TokenError(f"token file {path} must hold one line without blanks")
    return token


def _check_folder(path: Path) -> None:
    """Who may write into the folder could put another file in the token's place."""
    folder = path.parent.stat()
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise TokenError(
            f"token file {path}: others may write into its folder (mode {folder.st_mode & 0o777:o}): "
            f"chmod go-w {path.parent}"
        )
    if folder.st_uid not in (0, os.geteuid()):
        raise TokenError(f"token file {path}: its folder belongs to user {folder.st_uid}, not to you")


def _read_private(path: Path) -> bytes:
    """What is looked at is what is read: one open file. Non-blocking, so that a pipe cannot hold it up."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise TokenError(f"token file {path} is not a file")
        if found.st_uid != os.geteuid():
            raise TokenError(
                f"token file {path} belongs to user {found.st_uid}, not to you (user {os.geteuid()}): "
                "who owns it could change the token"
            )
        if found.st_mode & 0o077:
            raise TokenError(
                f"token file {path} is open to others (mode {found.st_mode & 0o777:o}): chmod 600 {path}"
            )
        if found.st_size > MAX_FILE_BYTES:
            raise TokenError(f"token file {path} has {found.st_size} bytes, at most {MAX_FILE_BYTES}")
        return os.read(file, MAX_FILE_BYTES)
    finally:
        os.close(file)


def _make_token(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secrets.token_urlsafe(24) + "\n")


class Access:
    """Checks tokens.

    Args:
        token: the right one.
    """

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)
        self.wrong_tokens = 0

    def session(self) -> Session:
        """What one connection may do."""
        return Session(self)

    def matches(self, token: object) -> bool:
        """Whether the token is right; takes the same time for every wrong one."""
        text = token if isinstance(token, str) and len(token) <= MAX_TOKEN_CHARS else ""
        return hmac.compare_digest(_digest(text), self._digest)


class Session:
    """The tokens that came over one connection; `proved` once the right one was among them."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.proved = False

    def refusal(self, token: object) -> str:
        """Why a command with this token is refused; empty when it is allowed."""
        if not token:
            return "view only: a command needs the control token"
        if self._access.matches(token):
            self.proved = True
            return ""
        self._access.wrong_tokens += 1
        return "the control token is wrong"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
