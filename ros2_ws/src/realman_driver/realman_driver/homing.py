"""The home motion: planned by the controller, started without waiting, watched until it ends.

The stream pauses meanwhile (the controller takes no frames during a planned motion) and goes on holding the
home position afterwards. A stop, a disable or a lost link ends the motion like any other.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from .arm_interface import Arm, ArmError, MotionEvent
from .link import ArmLink
from .request_worker import RequestWorker
from .stop_sender import StopSender
from .streamer import Streamer
from .supervisor import Decision, State, Supervisor

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


@dataclass(frozen=True)
class HomeSettings:
    """Home (7,) rad, the gripper there (-1: as it is), speed in percent, longest duration in s."""

    joints_rad: tuple[float, ...]
    gripper: float
    speed_percent: int
    timeout_s: float


@dataclass(frozen=True)
class HomeParts:
    """The parts of the driver that a home motion needs."""

    arm: Arm
    link: ArmLink
    supervisor: Supervisor
    streamer: Streamer
    worker: RequestWorker
    stop_sender: StopSender


class Homing:
    """At most one home motion at a time.

    Args:
        settings: where and how.
        parts: what it works with.
    """

    def __init__(self, settings: HomeSettings, parts: HomeParts) -> None:
        self._settings, self._parts = settings, parts
        self._motion: HomeMotion | None = None

    def begin(self) -> Future[Decision]:
        """Start a home motion if the state allows; answered when it ended."""
        parts = self._parts
        obstacles = ["a chunk is being executed"] if parts.streamer.active else []
        motion = HomeMotion(self._settings.joints_rad, time.monotonic(), self._settings.timeout_s)
        decision = parts.supervisor.begin_homing(obstacles)
        if not decision.ok:
            motion.finish(decision)
            return motion.answer
        self._motion = motion
        parts.streamer.halt()
        parts.worker.submit(lambda: self._start(motion))
        return motion.answer

    def note_event(self, event: MotionEvent) -> None:
        """Take an event of the controller."""
        motion = self._motion
        if motion is not None:
            motion.note_event(event)

    def watch(self, now_s: float) -> None:
        """Look whether the motion has ended; called every period."""
        motion, newest = self._motion, self._parts.link.newest
        if motion is not None and newest is not None:
            decision = motion.verdict(newest.position_rad, now_s)
            if decision is not None:
                self._finish(motion, decision)

    def abandon(self, reason: str) -> None:
        """The state left HOMING for another reason than arrival."""
        motion, self._motion = self._motion, None
        if motion is not None:
            motion.finish(Decision(False, f"the home motion ended: {reason}"))

    def _start(self, motion: HomeMotion) -> None:
        """Request thread."""
        parts = self._parts
        try:
            parts.streamer.wait_idle(0.1)
            if parts.supervisor.state is not State.HOMING or self._motion is not motion:
                return
            if self._settings.gripper >= 0.0:
                parts.arm.set_gripper(self._settings.gripper)
            motion.moving = True
            parts.arm.start_move_rad(motion.goal_rad, self._settings.speed_percent)
        except ArmError as error:
            self._finish(motion, Decision(False, f"the home motion could not be started: {error}"))
            return
        if parts.supervisor.state is not State.HOMING:  # stopped while the motion was being started
            parts.stop_sender.request()

    def _finish(self, motion: HomeMotion, decision: Decision) -> None:
        parts = self._parts
        if self._motion is motion:
            self._motion = None
            opening = parts.link.gripper_opening
            if decision.ok and opening is not None:
                if parts.supervisor.end_homing(decision.text):
                    parts.streamer.engage((*motion.goal_rad, opening), time.monotonic())
            elif parts.supervisor.disable(decision.text):
                parts.stop_sender.request()
        motion.finish(decision)
