"""Watches one home motion: when it has arrived, failed, or takes too long."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from .arm_interface import MotionEvent
from .supervisor import Decision

JOINTS_DEVICE = 0
TOLERANCE_RAD = 0.01
# Without an arrival event, this long within the tolerance counts as arrived.
SETTLE_S = 0.3


@dataclass
class HomeMotion:
    """One home motion under way.

    Attributes:
        goal_rad: (7,) where it ends.
        started_s: monotonic time of the request.
        timeout_s: longest duration.
        answer: gets the decision for the person who asked.
    """

    goal_rad: tuple[float, ...]
    started_s: float
    timeout_s: float
    answer: Future[Decision] = field(default_factory=Future)
    moving: bool = False
    arrival: MotionEvent | None = None
    within_since_s: float | None = None

    def note_event(self, event: MotionEvent) -> None:
        """Take an event of the controller; those of other devices and from before the start are ignored."""
        if self.moving and event.device == JOINTS_DEVICE:
            self.arrival = event

    def verdict(self, position_rad: tuple[float, ...], now_s: float) -> Decision | None:
        """None while under way, otherwise how it ended.

        Args:
            position_rad: (7,) measured.
            now_s: monotonic time.
        """
        duration_s = now_s - self.started_s
        distance = max(abs(a - b) for a, b in zip(position_rad, self.goal_rad, strict=True))
        if distance > TOLERANCE_RAD:
            self.within_since_s = None
        elif self.within_since_s is None:
            self.within_since_s = now_s
        settled = self.within_since_s is not None and now_s - self.within_since_s >= SETTLE_S
        arrived = self.arrival is not None and self.arrival.success and self.within_since_s is not None
        if arrived or settled:
            return Decision(True, f"home reached after {duration_s:.1f} s")
        if self.arrival is not None and not self.arrival.success:
            return Decision(False, f"the controller ended the home motion {distance:.3f} rad before the goal")
        if duration_s > self.timeout_s:
            text = f"home not reached within {self.timeout_s:.1f} s, {distance:.3f} rad are left"
            return Decision(False, text)
        return None

    def finish(self, decision: Decision) -> None:
        """Answer the person who asked; a second call does nothing."""
        if not self.answer.done():
            self.answer.set_result(decision)
