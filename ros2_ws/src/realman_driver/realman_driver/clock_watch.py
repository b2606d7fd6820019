"""Notices when the wall clock is set, and which chunks carry stamps of the clock before.

The motion itself runs on the monotonic clock and is not concerned. A stamp compared with a clock that was set
in between tells a wrong age, though: such chunks are refused, for `max_age_s` at most.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from .gate import Refusal

# Slewing of a disciplined clock is far slower than this; a clock that is set jumps by more.
STEP_S = 0.05


# Reading two clocks takes microseconds; when it took longer, this thread was held up in between.
_READING_S = 0.005


class ClockWatch:
    """Follows the difference of wall clock and monotonic clock. Safe to call from several threads.

    Args:
        wall_now_s: reads the wall clock (ROS time), s.
        max_age_s: age from which stamps are refused anyway.
    """

    def __init__(self, wall_now_s: Callable[[], float], max_age_s: float) -> None:
        self._wall_now_s, self._max_age_s = wall_now_s, max_age_s
        self._lock = threading.Lock()
        self._offset_s: float | None = None
        self._stepped_s = -math.inf
        self.steps = 0
        self.last_step_s = 0.0

    def look(self) -> float:
        """Read both clocks; the step found since the last look (s, positive: forward), 0 for none."""
        with self._lock:
            before_s = time.monotonic()
            wall_s = self._wall_now_s()
            now_s = time.monotonic()
            if now_s - before_s > _READING_S:
                return 0.0
            offset_s, last_s = wall_s - now_s, self._offset_s
            self._offset_s = offset_s
            if last_s is None or abs(offset_s - last_s) <= STEP_S:
                return 0.0
            self.steps += 1
            self.last_step_s, self._stepped_s = offset_s - last_s, now_s
            return self.last_step_s

    def refusal(self, stamp_s: float, wall_s: float, monotonic_s: float) -> Refusal | None:
        """Refuse a chunk whose observation may be of before the last step."""
        since_s = monotonic_s - self._stepped_s
        if since_s >= self._max_age_s:
            return None
        # After a step back, old stamps look younger than they are; after one forward, older.
        safe_age_s = since_s + min(0.0, self.last_step_s)
        if wall_s - stamp_s < safe_age_s:
            return None
        bound = "observed after the clock was set"
        text = (
            f"the clock was set by {self.last_step_s:+.3f} s {since_s:.3f} s ago; the age of the observation "
            f"is unknown, it must be {bound}"
        )
        return Refusal("clock", "", self.last_step_s, bound, text)
