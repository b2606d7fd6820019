"""What is said about a link that is not there yet: little, once, and with what to do. Plain Python."""

from __future__ import annotations

import time
from collections.abc import Callable

# A controller that is switched on, or a simulated one that starts, together with the driver is there by then.
PATIENCE_S = 8.0


class LinkNews:
    """Says the first failure as news, and each cause that lasts once as a warning.

    Args:
        say: level ("info" or "warning") and a text.
        clock: monotonic, s.
    """

    def __init__(self, say: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._since_s: float | None = None
        self._warned: set[str] = set()

    def failed(self, reason: str) -> None:
        """An attempt to connect failed."""
        now_s = self._clock()
        if self._since_s is None:
            self._since_s = now_s
            self._say("info", f"not connected yet, trying again and again: {reason}")
        elif now_s - self._since_s >= PATIENCE_S and reason not in self._warned:
            self._warned.add(reason)
            self._say("warning", f"cannot connect, still trying: {reason}")

    def connected(self) -> None:
        """The link stands: what fails from now on is news again."""
        self._since_s = None
        self._warned.clear()
