"""Checks a chunk and says what another arm's controllers are to be told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kine_nodes.motion_right import MotionRight, origin_of
from kine_nodes.texts import listed
from kine_relay.mapping import GripperMap, JointMap

NS_PER_S = 1_000_000_000
MIN_LEAD_S = 0.02
"""A point nearer than this counts as past: the controller could not reach it in time."""


class Refused(ValueError):
    """A chunk that is not passed on; `rule` names why in one word, the text with value and bound."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


@dataclass(frozen=True)
class RelayRules:
    """Bounds besides the joints' own.

    Attributes:
        max_chunk_age_s: oldest observation a chunk may come from.
        max_state_age_s: oldest joint state of the other arm.
        max_first_step_rad: largest distance of the first point from the measured angle.
        source_hold_s: how long after its last chunk a source keeps the arm to itself.
    """

    max_chunk_age_s: float = 1.0
    max_state_age_s: float = 0.2
    max_first_step_rad: float = 0.35
    source_hold_s: float = 1.0


@dataclass(frozen=True)
class Point:
    """Targets at a time from now.

    Attributes:
        time_s: from now.
        arm: angles of the other arm's joints, rad.
        gripper: position of the other gripper; None without one.
    """

    time_s: float
    arm: tuple[float, ...]
    gripper: float | None


class Relay:
    """Passes chunks on while enabled. A stop latches: only `enable` ends it.

    Args:
        joints: in the order in which the other controller gets them.
        gripper: its gripper.
        rules: bounds.
    """

    def __init__(self, joints: Sequence[JointMap], gripper: GripperMap, rules: RelayRules) -> None:
        self.joints, self.gripper, self.rules = tuple(joints), gripper, rules
        self.right = MotionRight(rules.source_hold_s)
        self.stop_reason = "not enabled yet"
        self.passed = 0
        self.refusals: Counter[str] = Counter()
        self.last_refusal = self.last_refused = ""
        self._measured: tuple[int, tuple[float, ...], float] | None = None
        self._observed_ns = self._ends_ns = 0

    @property
    def enabled(self) -> bool:
        """Whether chunks are passed on."""
        return self.right.granted

    def enable(self, now_ns: int) -> None:
        """Pass chunks on from now: a new epoch of the right to move the arm.

        Raises:
            Refused: the other arm's joint states do not come.
        """
        self._fresh(now_ns)
        if not self.enabled:
            self.right.grant()
            self.stop_reason = ""

    def stop(self, reason: str, now_ns: int) -> Point | None:
        """Pass nothing on until `enable`; where to hold, None when the arm's state is unknown."""
        self.right.end(now_ns / NS_PER_S)
        self.stop_reason, self._ends_ns = reason, 0
        try:
            arm, opening = self._fresh(now_ns)
        except Refused:
            return None
        return Point(0.1, arm, self._their_gripper(opening))

    def take_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int
    ) -> list[float] | None:
        """Joint angles (rad) and gripper opening as the policy knows them, or None without all joints.

        Args:
            names, positions: joint states of the other arm.
            stamp_ns: of the message.
        """
        by_name = dict(zip(names, positions, strict=False))
        wanted = [joint.theirs for joint in self.joints]
        wanted += [self.gripper.theirs] if self.gripper.theirs else []
        if any(not math.isfinite(by_name.get(name, math.nan)) for name in wanted):
            return None
        arm = tuple(float(by_name[joint.theirs]) for joint in self.joints)
        opening = self.gripper.to_ours(by_name[self.gripper.theirs]) if self.gripper.theirs else 1.0
        self._measured = (stamp_ns, arm, opening)
        return [joint.to_ours(angle) for joint, angle in zip(self.joints, arm, strict=True)] + [opening]

    def take_chunk(
        self,
        names: Sequence[str],
        points: Sequence[tuple[float, Sequence[float]]],
        observed_ns: int,
        now_ns: int,
        frame_id: str = "",
    ) -> list[Point]:
        """What to tell the controllers now.

        Times of a chunk count from its observation, as for our own driver: what is past is left out. Time in
        which the arm has rested since then does not count, so an arm that stands still gets every point.

        Args:
            names: joints of the chunk.
            points: time from start in s, and a position per name.
            observed_ns: time of the observation the chunk comes from.
            now_ns: the same clock.
            frame_id: who made the chunk, and for which epoch; see `kine_nodes.motion_right`.

        Raises:
            Refused: the chunk breaks a rule; nothing is clamped.
        """
        origin = origin_of(frame_id)
        try:
            if not self.enabled:
                raise Refused("stopped", f"the relay is stopped: {self.stop_reason}")
            no_right = self.right.refusal(origin, observed_ns / NS_PER_S, now_ns / NS_PER_S)
            if no_right is not None:
                raise Refused(no_right.rule, no_right.text)
            result = self._convert(names, points, observed_ns, now_ns)
        except Refused as refusal:
            self.refusals[refusal.rule] += 1
            self.last_refusal, self.last_refused = str(refusal), frame_id[:200]
            raise
        self.passed += 1
        self.right.use(origin.source, now_ns / NS_PER_S + result[-1].time_s)
        self._observed_ns, self._ends_ns = observed_ns, now_ns + int(result[-1].time_s * NS_PER_S)
        return result

    def _convert(
        self,
        names: Sequence[str],
        points: Sequence[tuple[float, Sequence[float]]],
        observed_ns: int,
        now_ns: int,
    ) -> list[Point]:
        age_s = (now_ns - observed_ns) / NS_PER_S
        if not -0.1 <= age_s <= self.rules.max_chunk_age_s:
            raise Refused(
                "age", f"the observation is {age_s:.3f} s old, bound {self.rules.max_chunk_age_s} s"
            )
        measured, _ = self._fresh(now_ns)
        self._check_shape(names, points)
        if observed_ns < self._observed_ns and now_ns < self._ends_ns:
            late_s = (self._observed_ns - observed_ns) / NS_PER_S
            raise Refused("order", f"the observation is {late_s:.3f} s older than that of the running chunk")
        moved_until_ns = min(now_ns, self._ends_ns)
        elapsed_s = max(0.0, (moved_until_ns - observed_ns) / NS_PER_S)
        result = [
            self._point(time_s - elapsed_s, dict(zip(names, positions, strict=True)))
            for time_s, positions in points
            if time_s - elapsed_s >= MIN_LEAD_S
        ]
        if not result:
            raise Refused("past", f"all points are past: the observation is {age_s:.3f} s old")
        self._check_motion(measured, result)
        return result

    def _check_shape(self, names: Sequence[str], points: Sequence[tuple[float, Sequence[float]]]) -> None:
        wanted = {joint.ours for joint in self.joints} | {self.gripper.ours}
        if set(names) != wanted or len(names) != len(wanted):
            raise Refused("names", f"joints are {listed(names)}; must be {', '.join(sorted(wanted))}")
        times = [time_s for time_s, _ in points]
        if not times or times[0] <= 0.0 or any(b <= a for a, b in pairwise(times)):
            raise Refused("times", f"times from start are {listed(times)}, must be positive and increasing")
        for time_s, positions in points:
            if len(positions) != len(names) or not all(math.isfinite(value) for value in positions):
                raise Refused("values", f"the point at {time_s} s needs {len(names)} finite positions")

    def _point(self, time_s: float, by_name: dict[str, float]) -> Point:
        opening = by_name[self.gripper.ours]
        if not 0.0 <= opening <= 1.0:
            raise Refused("gripper", f"the gripper's opening is {opening}, must be within [0, 1]")
        arm = tuple(joint.to_theirs(by_name[joint.ours]) for joint in self.joints)
        return Point(time_s, arm, self._their_gripper(opening))

    def _check_motion(self, measured: tuple[float, ...], points: Sequence[Point]) -> None:
        for index, joint in enumerate(self.joints):
            before, before_s = measured[index], 0.0
            step = abs(points[0].arm[index] - before)
            if step > self.rules.max_first_step_rad:
                raise Refused(
                    "first step",
                    f"{joint.theirs} starts {step:.3f} rad away, bound {self.rules.max_first_step_rad} rad",
                )
            for point in points:
                angle = point.arm[index]
                if not joint.lower_rad <= angle <= joint.upper_rad:
                    raise Refused(
                        "limit",
                        f"{joint.theirs} = {angle:.4f} rad is outside "
                        f"[{joint.lower_rad}, {joint.upper_rad}] rad",
                    )
                speed = abs(angle - before) / (point.time_s - before_s)
                if speed > joint.max_velocity_rad_s:
                    raise Refused(
                        "speed",
                        f"{joint.theirs} would move at {speed:.2f} rad/s, bound {joint.max_velocity_rad_s} "
                        "rad/s",
                    )
                before, before_s = angle, point.time_s

    def _fresh(self, now_ns: int) -> tuple[tuple[float, ...], float]:
        """Measured angles and gripper opening, not too old."""
        if self._measured is None:
            raise Refused("state", "no joint state of the other arm has come")
        age_s = (now_ns - self._measured[0]) / NS_PER_S
        if age_s > self.rules.max_state_age_s:
            raise Refused(
                "state",
                f"the newest joint state is {age_s:.3f} s old, bound {self.rules.max_state_age_s} s",
            )
        return self._measured[1], self._measured[2]

    def _their_gripper(self, opening: float) -> float | None:
        return self.gripper.to_theirs(opening) if self.gripper.theirs else None
