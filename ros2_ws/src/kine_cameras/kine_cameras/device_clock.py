"""A camera's own clock against this machine's."""

from __future__ import annotations

from collections import deque

MAX_JUMP_NS = 500_000_000


class DeviceClock:
    """Turns stamps of a free-running clock into times of this machine.

    A frame can arrive late but never early. So the smallest difference of arrival and stamp within the window
    belongs to the frame with the least delay, and is taken for the offset of the clocks. The window moves on,
    which follows the drift of the clocks. What remains is the least delay itself.

    Args:
        window: how many frames the smallest difference is taken over.
    """

    def __init__(self, window: int = 300) -> None:
        self._differences_ns: deque[int] = deque(maxlen=window)

    def to_system_ns(self, device_ns: int, arrival_ns: int) -> int:
        """Capture time on this machine's clock, ns; `arrival_ns` is when the frame came here."""
        difference_ns = arrival_ns - device_ns
        # A clock that was set, or a camera that started anew: what was learned no longer holds.
        if self._differences_ns and abs(difference_ns - min(self._differences_ns)) > MAX_JUMP_NS:
            self._differences_ns.clear()
        self._differences_ns.append(difference_ns)
        return device_ns + min(self._differences_ns)
