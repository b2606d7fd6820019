"""One teleoperation session: who may move the follower, where to, and what ends it.

    IDLE or STOPPED --start--> ALIGNING --aligned--> FOLLOWING
    ALIGNING, FOLLOWING --deadman, stale leader, limit, stop, ...--> STOPPED (latched)

Nothing but an explicit `start` leads out of STOPPED, and it is refused while any condition is not met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from realman_driver.arm_model import JOINT_COUNT, JOINT_NAMES

from .drift import DriftBounds, DriftCheck, DriftError, DriftRecorder, DriftReport
from .limits import FollowLimits, MotionWatch, range_fault
from .mapping import Pose


class State(Enum):
    """What the puppet is doing."""

    IDLE = "IDLE"
    ALIGNING = "ALIGNING"
    FOLLOWING = "FOLLOWING"
    STOPPED = "STOPPED"


MOVING = (State.ALIGNING, State.FOLLOWING)


@dataclass(frozen=True)
class SessionConfig:
    """Bounds of a session. Angles rad, times s.

    Attributes:
        deadman_timeout_s, leader_timeout_s, follower_timeout_s: oldest message that still counts.
        align_tolerance_rad: leader and follower count as aligned within this, per joint.
        align_by_moving: `start` moves the follower to the leader; if not, it refuses unless aligned.
        align_speed_rad_s: speed of that motion, per joint (the gripper: openings/s).
        max_align_rad: largest distance it may cover, per joint.
        align_timeout_s: longest duration of it.
        max_follow_error_rad, follow_error_s: how far, and how long, the follower may be off its target.
        require_drift_check, drift_valid_s: `start` wants a passed drift check; how long one is valid.
        limits, drift: see there.
    """

    deadman_timeout_s: float = 0.3
    leader_timeout_s: float = 0.2
    follower_timeout_s: float = 0.2
    align_tolerance_rad: float = 0.05
    align_by_moving: bool = True
    align_speed_rad_s: float = 0.25
    max_align_rad: float = 1.0
    align_timeout_s: float = 15.0
    max_follow_error_rad: float = 0.5
    follow_error_s: float = 0.3
    require_drift_check: bool = True
    drift_valid_s: float = 3600.0
    limits: FollowLimits = field(default_factory=FollowLimits)
    drift: DriftBounds = field(default_factory=DriftBounds)


@dataclass(frozen=True)
class Answer:
    """Granted or not, and a sentence for the person who asked."""

    ok: bool
    text: str


class Session:
    """The state machine; times are monotonic seconds given by the caller. For one thread.

    Args:
        config: the bounds.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._watch = MotionWatch(config.limits)
        self._recorder = DriftRecorder(config.drift)
        self._check = DriftCheck(config.drift)
        self._leader: Pose | None = None
        self._leader_s = self._follower_s = self._deadman_s = -math.inf
        self._leader_fault = ""
        self._follower: Pose | None = None
        self._pressed = False
        self._driver_obstacle = "the driver has not been heard: is it running?"
        self._epoch = self._session_epoch = 0
        self._others: tuple[str, ...] = ()
        self._target: Pose | None = None
        self._tick_s = self._align_until_s = 0.0
        self._error_since_s = math.inf
        self._drift_s = -math.inf
        self.state = State.IDLE
        self.reason = ""
        self.stops = 0
        self.drift_report: DriftReport | None = None

    # --- what comes in ------------------------------------------------------------------------------------

    def leader(self, pose: Pose, now_s: float) -> None:
        """The leader's mapped pose (8,); stops at once when it breaks a bound."""
        moving = self.state in MOVING
        if not moving:
            # At rest only the range matters: the leader may be carried about freely.
            self._watch.restart()
            self._recorder.leader(pose, now_s)
        fault = self._watch.fault(pose, now_s)
        self._leader, self._leader_s, self._leader_fault = pose, now_s, fault
        if fault and moving:
            self._halt(fault)

    def leader_fault(self, text: str) -> None:
        """The leader sent something unusable: no pose, and the end of a running session."""
        self._leader_fault = text
        if self.state in MOVING:
            self._halt(text)

    def follower(self, pose: Pose, now_s: float) -> None:
        """The follower's measured pose (8,)."""
        self._follower, self._follower_s = pose, now_s
        if self.state not in MOVING:
            self._recorder.follower(pose, now_s)

    def deadman(self, pressed: bool, now_s: float) -> None:
        """The deadman's switch; a release stops at once."""
        self._pressed, self._deadman_s = pressed, now_s
        if not pressed and self.state in MOVING:
            self._halt("the deadman was released")

    def driver(self, obstacle: str, epoch: int) -> None:
        """What the driver says: why nothing may move the arm (empty: it may), and the epoch of that right."""
        self._driver_obstacle, self._epoch = obstacle, epoch
        if self.state not in MOVING:
            return
        if obstacle:
            self._halt(obstacle)
        elif epoch != self._session_epoch:
            self._halt("the arm was enabled anew meanwhile")

    @property
    def epoch(self) -> int:
        """Of the right to move the arm with which the session was started."""
        return self._session_epoch

    def other_sources(self, names: tuple[str, ...]) -> None:
        """Names of other nodes that publish chunks; two sources must never drive one arm."""
        self._others = names
        if names and self.state in MOVING:
            self._halt(f"another source of chunks appeared: {', '.join(names)}")

    @property
    def opening(self) -> float:
        """Opening asked for last, or measured; 1 before anything is known."""
        if self.state in MOVING and self._target is not None:
            return self._target[JOINT_COUNT]
        return 1.0 if self._follower is None else min(1.0, max(0.0, self._follower[JOINT_COUNT]))

    # --- what a person asks for -----------------------------------------------------------------------------

    def start(self, now_s: float) -> Answer:
        """Begin to follow: at once when aligned, else after a slow motion to the leader's pose."""
        if self.state in MOVING:
            return Answer(True, f"already {self.state.value}")
        obstacles = self._obstacles(now_s) + self._drift_obstacles(now_s)
        leader, follower = self._leader, self._follower
        if not obstacles and leader is not None and follower is not None:
            obstacles = self._alignment_obstacles(leader, follower)
        if obstacles or leader is None or follower is None:
            return Answer(False, "cannot start: " + "; ".join(obstacles))
        self._watch.restart()
        self._target, self._tick_s = follower, now_s
        self._session_epoch = self._epoch
        self._align_until_s = now_s + self._config.align_timeout_s
        self._error_since_s = math.inf
        self.state, self.reason = State.ALIGNING, ""
        _, distance = _furthest(leader, follower)
        return Answer(
            True, f"started: the follower is {distance:.3f} rad from the leader and moves there slowly"
        )

    def stop(self) -> Answer:
        """End the session on request."""
        if self.state not in MOVING:
            return Answer(True, "nothing was running")
        self._halt("stopped on request")
        return Answer(True, "stopped: start begins anew")

    def check_drift(self, now_s: float) -> Answer:
        """Measure both arms, which rest in the same pose; the last pose of a check gives the verdict."""
        if self.state in MOVING:
            return Answer(False, f"cannot check while {self.state.value}: stop first")
        try:
            if self._leader_fault:
                raise DriftError(self._leader_fault)
            report = self._check.add(self._recorder.measure(now_s))
        except DriftError as error:
            return Answer(False, f"no drift check: {error}")
        if report is None:
            return Answer(True, f"pose taken, {self._check.missing} more: move both arms to another pose")
        self.drift_report = report
        self._drift_s = now_s if report.passed else -math.inf
        return Answer(report.passed, f"{report.text()}\n{report.json()}")

    def drift_fresh(self, now_s: float) -> bool:
        """Whether the newest check passed and is still valid."""
        return now_s - self._drift_s <= self._config.drift_valid_s

    # --- what goes out --------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> Pose | None:
        """The target (8,) to send now; None when nothing may be sent."""
        if self.state not in MOVING:
            return None
        obstacles = self._obstacles(now_s)
        if obstacles:
            self._halt(obstacles[0])
            return None
        leader, follower, target = self._leader, self._follower, self._target
        assert leader is not None and follower is not None and target is not None  # else there are obstacles
        step_s, self._tick_s = now_s - self._tick_s, now_s
        if self.state is State.ALIGNING:
            # A late tick must not become a long step.
            reach = self._config.align_speed_rad_s * min(step_s, 0.1)
            target = tuple(t + max(-reach, min(reach, g - t)) for t, g in zip(target, leader, strict=True))
            if _furthest(target, leader)[1] == 0.0 and self._near(follower, leader):
                self.state = State.FOLLOWING
            elif now_s > self._align_until_s:
                name, distance = _furthest(follower, leader)
                self._halt(
                    f"not aligned in time: {name} of the follower is {distance:.3f} rad from the leader"
                )
                return None
        else:
            target = leader
        self._target = target
        return None if self._lost_follower(follower, target, now_s) else target

    def _near(self, one: Pose, other: Pose) -> bool:
        return _furthest(one, other)[1] <= self._config.align_tolerance_rad

    def _lost_follower(self, follower: Pose, target: Pose, now_s: float) -> bool:
        """Stop when the follower stays away from its target: refused chunks, or something in its way."""
        name, distance = _furthest(follower, target)
        if distance <= self._config.max_follow_error_rad:
            self._error_since_s = math.inf
            return False
        self._error_since_s = min(self._error_since_s, now_s)
        if now_s - self._error_since_s < self._config.follow_error_s:
            return False
        bound = self._config.max_follow_error_rad
        self._halt(f"{name}: the follower is {distance:.3f} rad from its target, allowed is {bound:.3f} rad")
        return True

    def _halt(self, reason: str) -> None:
        self.state, self.reason = State.STOPPED, reason
        self.stops += 1

    def _obstacles(self, now_s: float) -> list[str]:
        """Why nothing may move now."""
        config = self._config
        found = []
        deadman_age, leader_age = now_s - self._deadman_s, now_s - self._leader_s
        follower_age = now_s - self._follower_s
        if not self._pressed:
            found.append("the deadman is not held")
        elif deadman_age > config.deadman_timeout_s:
            found.append(
                f"the deadman was last heard {deadman_age:.2f} s ago, "
                f"allowed is {config.deadman_timeout_s:.2f} s"
            )
        if self._leader is None or leader_age > config.leader_timeout_s:
            found.append(_silence("leader", leader_age, config.leader_timeout_s))
        if self._leader_fault:
            found.append(self._leader_fault)
        if self._follower is None or follower_age > config.follower_timeout_s:
            found.append(_silence("follower", follower_age, config.follower_timeout_s))
        if self._driver_obstacle:
            found.append(self._driver_obstacle)
        if self._others:
            found.append(f"another source publishes chunks: {', '.join(self._others)}")
        return found

    def _drift_obstacles(self, now_s: float) -> list[str]:
        if not self._config.require_drift_check or self.drift_fresh(now_s):
            return []
        report = self.drift_report
        if report is None:
            return ["no drift check yet: call /kine_teleop/check_drift"]
        if not report.passed:
            return [f"the drift check failed: {report.text()}"]
        return [f"the drift check is older than {self._config.drift_valid_s:.0f} s"]

    def _alignment_obstacles(self, leader: Pose, follower: Pose) -> list[str]:
        config = self._config
        name, distance = _furthest(leader, follower)
        bound = config.max_align_rad if config.align_by_moving else config.align_tolerance_rad
        if distance > bound:
            return [
                f"not aligned: {name} of leader and follower differ by {distance:.3f} rad, "
                f"allowed is {bound:.3f}"
            ]
        fault = range_fault(follower, config.limits.joint_margin_rad)
        return [f"the follower is at a limit: {fault}"] if fault else []


def _furthest(one: Pose, other: Pose) -> tuple[str, float]:
    """The joint that differs most, and by how much, rad; the gripper does not count."""
    differences = [abs(a - b) for a, b in zip(one[:JOINT_COUNT], other[:JOINT_COUNT], strict=True)]
    worst = max(range(JOINT_COUNT), key=differences.__getitem__)
    return JOINT_NAMES[worst], differences[worst]


def _silence(who: str, age_s: float, bound_s: float) -> str:
    if math.isinf(age_s):
        return f"the {who} has not reported its joints yet"
    return f"the {who} was last heard {age_s:.2f} s ago, allowed is {bound_s:.2f} s"
