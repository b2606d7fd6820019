"""The home motion: a clear way is looked for, and the controller moves along it, watched leg by leg.

The stream pauses meanwhile (the controller takes no frames during a planned motion) and goes on holding the
home position afterwards. A stop, a disable or a lost link ends the motion like any other, between two legs as
well. Without a clear way nothing moves: the stream goes on holding where the arm is.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from .arm_interface import Arm, ArmError, MotionEvent
from .chunk_executor import Setpoint
from .gate import Breach, Space
from .home_way import leg_breach, plan_home
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
        held: (8,) the setpoint before it.
        started_s: monotonic time of the request.
        timeout_s: longest duration.
        answer: gets the decision for the person who asked.
        legs_rad: poses (7,) still to go to, the present leg's first; empty while the way is looked for.
        moving: whether the controller moves along the present leg.
    """

    held: Setpoint
    started_s: float
    timeout_s: float
    answer: Future[Decision] = field(default_factory=Future)
    legs_rad: tuple[tuple[float, ...], ...] = ()
    moving: bool = False
    arrival: MotionEvent | None = None
    within_since_s: float | None = None

    def begin_leg(self) -> None:
        """The controller is about to move along the present leg."""
        self.arrival, self.within_since_s, self.moving = None, None, True

    def next_leg(self) -> bool:
        """The present leg is done; False when it was the last one."""
        self.moving = False
        if len(self.legs_rad) < 2:
            return False
        self.legs_rad = self.legs_rad[1:]
        return True

    def note_event(self, event: MotionEvent) -> None:
        """Take an event of the controller; those of other devices and from before the start are ignored."""
        if self.moving and event.device == JOINTS_DEVICE:
            self.arrival = event

    def verdict(self, position_rad: tuple[float, ...], now_s: float) -> Decision | None:
        """None while the present leg is under way, otherwise how it ended.

        Args:
            position_rad: (7,) measured.
            now_s: monotonic time.
        """
        duration_s = now_s - self.started_s
        if not self.moving:
            text = f"no leg of the way home has begun within {self.timeout_s:.1f} s"
            return Decision(False, text) if duration_s > self.timeout_s else None
        distance = max(abs(a - b) for a, b in zip(position_rad, self.legs_rad[0], strict=True))
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
    """The parts of the driver that a home motion needs; `space` judges its way."""

    arm: Arm
    space: Space
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
        motion = HomeMotion(parts.streamer.setpoint, time.monotonic(), self._settings.timeout_s)
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
            if decision is None:
                return
            if decision.ok and motion.next_leg():
                self._parts.worker.submit(lambda: self._start_leg(motion))
            else:
                self._finish(motion, decision)

    def abandon(self, reason: str) -> None:
        """The state left HOMING for another reason than arrival."""
        motion, self._motion = self._motion, None
        if motion is not None:
            motion.finish(Decision(False, f"the home motion ended: {reason}"))

    def _is_current(self, motion: HomeMotion) -> bool:
        return self._parts.supervisor.state is State.HOMING and self._motion is motion

    def _start(self, motion: HomeMotion) -> None:
        """Request thread: look for a way from where the arm is, and set out."""
        parts = self._parts
        parts.streamer.wait_idle(0.1)
        info, newest = parts.link.info, parts.link.newest
        if not self._is_current(motion) or info is None or newest is None:
            return
        here, home = np.array(newest.position_rad), np.array(self._settings.joints_rad)
        way = plan_home(parts.space, here, home, info.limits)
        if not self._is_current(motion):
            return
        if isinstance(way, Breach):
            text = way.refusal("on the straight way home").text
            self._give_up(motion, f"cannot home: {text}, and no clear way around was found")
            return
        motion.legs_rad = way.legs_rad
        try:
            if self._settings.gripper >= 0.0:
                parts.arm.set_gripper(self._settings.gripper)
        except ArmError as error:
            self._finish(motion, Decision(False, f"the home motion could not be started: {error}"))
            return
        self._start_leg(motion)

    def _start_leg(self, motion: HomeMotion) -> None:
        """Request thread: the next leg, when it is clear from where the arm is measured."""
        parts, newest = self._parts, self._parts.link.newest
        if not self._is_current(motion) or newest is None:
            return
        breach = leg_breach(parts.space, newest.position_rad, motion.legs_rad)
        if breach is not None:
            self._finish(motion, Decision(False, breach.refusal("on the next leg of the way home").text))
            return
        try:
            motion.begin_leg()
            parts.arm.start_move_rad(motion.legs_rad[0], self._settings.speed_percent)
        except ArmError as error:
            self._finish(motion, Decision(False, f"the home motion could not be started: {error}"))
            return
        if parts.supervisor.state is not State.HOMING:  # stopped while the motion was being started
            parts.stop_sender.request()

    def _give_up(self, motion: HomeMotion, text: str) -> None:
        """Nothing has moved: go on holding."""
        parts = self._parts
        if self._motion is motion:
            self._motion = None
            if parts.supervisor.end_homing(text):
                parts.streamer.engage(motion.held, time.monotonic())
        motion.finish(Decision(False, text))

    def _finish(self, motion: HomeMotion, decision: Decision) -> None:
        parts = self._parts
        if self._motion is motion:
            self._motion = None
            opening = parts.link.gripper_opening
            if decision.ok and opening is not None:
                if parts.supervisor.end_homing(decision.text):
                    parts.streamer.engage((*motion.legs_rad[0], opening), time.monotonic())
            elif parts.supervisor.disable(decision.text):
                parts.stop_sender.request()
        motion.finish(decision)
