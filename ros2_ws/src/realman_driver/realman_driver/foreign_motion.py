"""Whether what the controller says it is doing is what this driver made it do.

Two clients may command one controller, and it tells neither of the other. But each datagram says what moves
or stops the arm: what this driver did not ask for comes from another client or from the controller itself.
"""

from __future__ import annotations

from enum import Enum

IDLE = "idle"
STREAMED = "move_through_joint"
# The arm has been stopped, by whomever.
STOPS = frozenset({"stop", "slow_stop"})
RESTING = STOPS | {IDLE}
# Datagrams under way, and the controller's own time to end what it did before.
LEFTOVER_S = 0.5
# An ended stream's last frames may also be late on a busy computer.
LEFTOVER_STREAM_S = 1.0


class Activity(Enum):
    """What this driver makes the arm do."""

    NOTHING = "nothing"
    STREAM = "stream"
    PLANNED = "planned"


OWN = {
    Activity.NOTHING: frozenset({IDLE}),
    Activity.STREAM: frozenset({IDLE, STREAMED}),
    Activity.PLANNED: frozenset({IDLE, "move_J"}),
}


def describe_motion(status: str) -> str:
    """What moves the arm, for people; empty when nothing does."""
    if status in RESTING:
        return ""
    return status or "a motion the controller does not name"


class ForeignMotion:
    """Judges the status of each datagram in turn."""

    def __init__(self) -> None:
        self._activity = Activity.NOTHING
        self._last_status = IDLE
        # Until when a status may show that the driver's activity before explains.
        self._leftover_until_s: dict[str, float] = {}

    def judge(self, status: str, activity: Activity, now_s: float) -> str:
        """Why the arm must stop, or an empty text.

        Args:
            status: `arm_current_status` of a datagram; empty: there was none.
            activity: what this driver makes the arm do.
            now_s: monotonic time of the datagram.
        """
        if activity is not self._activity:
            self._leftover_until_s = self._explained_for_now(now_s)
            self._activity = activity
        for leftover in tuple(self._leftover_until_s):
            # As long as nothing else shows: a stop that comes back is another one. Last frames may be late,
            # after a pause.
            pause = leftover == STREAMED and status in RESTING
            if (status != leftover and not pause) or now_s > self._leftover_until_s[leftover]:
                del self._leftover_until_s[leftover]
        self._last_status = status
        if activity is Activity.NOTHING or status in OWN[activity] or status in self._leftover_until_s:
            return ""
        if not status:
            return "the controller does not say what moves the arm (arm_current_status is missing)"
        does = "has stopped the arm" if status in STOPS else "moves the arm"
        return f"the controller reports {status}: another client or the controller itself {does}"

    def _explained_for_now(self, now_s: float) -> dict[str, float]:
        """What the activity that ends now may still show, and until when."""
        explained = {}
        if self._last_status in OWN[self._activity] | STOPS:
            explained[self._last_status] = now_s + LEFTOVER_S
        if self._activity is Activity.STREAM:  # its first frames may not even have shown yet
            explained[STREAMED] = now_s + LEFTOVER_STREAM_S
        return explained
