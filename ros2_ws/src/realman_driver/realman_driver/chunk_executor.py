"""From chunks to the setpoint of this moment, without a rest or a jerk where one chunk meets the next.

A chunk says where the joints shall be at times counted from its observation. When it arrives, some of that
time has passed: the points that lie behind are not executed any more. The setpoint then goes over from the
curve it is on to the one the chunk asks for, by as many knots as keep velocity, acceleration and jerk within
their limits. Every curve ends at rest at its chunk's last point, so that without a successor in time
(underrun) it slows down and holds; a newer chunk (overrun) replaces what is left of the older one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from .arm_model import JOINT_COUNT, JOINT_NAMES, RATED_LIMITS, Limits
from .bspline import Array, BSpline, CurveState, Peaks, control_points_of, peaks
from .gate import Chunk, Refusal
from .motion_history import MotionHistory, MotionSample
from .reference_path import ReferencePath
from .target_follower import TargetFollower

Setpoint = tuple[float, ...]

# Half the policy's period: the curve rounds the corners of a path, by a millimetre at the tool.
MAX_KNOT_STEP_S = 0.05
MIN_KNOT_STEP_S = 0.02
# A single target within this time is one of a stream of them.
STREAMED_TARGET_S = 0.25
# What is tried to keep the limits, the first that does is taken: knots over which the setpoint goes over to
# the new chunk; factors on the time to the last point, where it brakes; factors on all times that lie ahead.
TRANSITION_KNOTS = (2, 3, 4, 6)
QUICK_KNOTS = (1, 2, 3)
BRAKE_STRETCHES = (1.0, 1.5, 2.0, 3.0, 4.0)
SLOWDOWNS = (1.0, 1.15, 1.35, 1.7, 2.5, 4.0, 8.0)
# Plans keep to this share of the limits: a running curve described by new knots may bend a tenth more, and
# that needs room. What does not fit is taken as long as the limits themselves hold.
PLANNED_SHARE = 0.9
SMOOTH_ENOUGH = 1.15


@dataclass(frozen=True)
class MotionLimits:
    """What the setpoint may do, every joint: rad/s, rad/s^2, rad/s^3."""

    max_velocity_rad_s: float = 2.5
    max_acceleration_rad_s2: float = 10.4
    max_jerk_rad_s3: float = 500.0


@dataclass(frozen=True)
class ExecutorSettings:
    """How chunks are put together.

    Attributes:
        limits: of the setpoint's motion.
        newest_share: weight of a new chunk where an older one speaks of the same moment, 0 < share <= 1; 1
            takes the new one alone, less is temporal ensembling (Zhao et al., arXiv 2304.13705).
    """

    limits: MotionLimits = MotionLimits()
    newest_share: float = 1.0


class ChunkExecutor:
    """Holds a setpoint, or moves it along the chunks it is given. Not thread-safe.

    Args:
        setpoint: (8,) where to hold until the first chunk: 7 joints in rad and the gripper opening.
        now_s: monotonic time.
        settings: limits and ensembling.
        ranges: 7 pairs of joint limits, rad, which no curve leaves.
    """

    def __init__(
        self,
        setpoint: Setpoint,
        now_s: float,
        settings: ExecutorSettings | None = None,
        ranges: Limits = RATED_LIMITS,
    ) -> None:
        self._settings = settings or ExecutorSettings()
        self._lower_rad, self._upper_rad = (np.array(side) for side in zip(*ranges, strict=True))
        self._setpoint = setpoint
        self._motion_s = 0.0
        self._curve = BSpline.resting(0.0, np.array(setpoint[:JOINT_COUNT]), MAX_KNOT_STEP_S)
        self._nominal_end_s = 0.0
        self._history = MotionHistory(MotionSample(now_s, 0.0, setpoint))
        self._gripper_times_s: tuple[float, ...] = ()
        self._gripper_values: tuple[float, ...] = ()
        self._observed_s = -math.inf
        self._follower: TargetFollower | None = None

    @property
    def setpoint(self) -> Setpoint:
        """(8,) the setpoint of the moment."""
        return self._setpoint

    @property
    def motion_s(self) -> float:
        """How long the setpoint has moved so far; it stands still while the setpoint rests."""
        return self._motion_s

    @property
    def active(self) -> bool:
        """Whether the setpoint is moving along a chunk."""
        return self._follower is not None or self._motion_s < self._curve.end_s

    @property
    def gripper_target(self) -> float | None:
        """Opening of the chunk point being approached (of the last one after the end); None before any chunk.

        The gripper gets the value at the start of a segment, as it needs that time to get there.
        """
        if not self._gripper_times_s:
            return None
        index = bisect_left(self._gripper_times_s, self._motion_s - 1e-9)
        return self._gripper_values[min(index, len(self._gripper_values) - 1)]

    def setpoint_at(self, time_s: float) -> Setpoint:
        """(8,) the setpoint at a monotonic time of the last seconds."""
        return self._history.at(time_s).setpoint

    def load(self, chunk: Chunk, observed_s: float) -> Refusal | None:
        """Go over to a chunk, from wherever the setpoint is.

        Args:
            chunk: points whose times count from its observation.
            observed_s: monotonic time of that observation.

        Returns:
            None when it is executed, or why not; then the chunk before it goes on.
        """
        if self.active and observed_s < self._observed_s:
            late_s = self._observed_s - observed_s
            text = f"its observation is {late_s:.3f} s older than that of the chunk being executed"
            return Refusal("order", "", late_s, "not older than the running chunk", text)
        begin = self._history.at(observed_s)
        times_s = begin.motion_s + np.array((0.0, *chunk.times_s))
        streamed = len(chunk.points) == 1 and chunk.times_s[0] <= STREAMED_TARGET_S
        if times_s[-1] <= self._motion_s and not streamed:
            late_s = self._motion_s - float(times_s[-1])
            text = f"its last point should have been reached {late_s:.3f} s ago; nothing of it is left"
            return Refusal("late", "", late_s, "the last point lies ahead", text)
        points_rad = np.array([begin.setpoint[:JOINT_COUNT], *(p[:JOINT_COUNT] for p in chunk.points)])
        if streamed:
            self._follow(points_rad[1])
        else:
            refusal = self._play(times_s, points_rad, observed_s)
            if refusal is not None:
                return refusal
        self._nominal_end_s, self._observed_s = float(times_s[-1]), observed_s
        self._gripper_times_s = tuple(float(t) for t in times_s[1:])
        self._gripper_values = tuple(point[JOINT_COUNT] for point in chunk.points)
        return None

    def advance(self, step_s: float, now_s: float) -> Setpoint:
        """Move on by `step_s` seconds (less than passed after a stall) and return the (8,) setpoint then."""
        if self._follower is not None:
            self._motion_s += step_s
            self._setpoint = (*self._follower.advance(step_s), self._gripper_now())
            if self._follower.at_rest:
                self._curve = BSpline.resting(self._motion_s, self._follower.target_rad, MAX_KNOT_STEP_S)
                self._follower = None
        elif self.active:
            self._motion_s = min(self._motion_s + step_s, self._curve.end_s)
            self._setpoint = (*self._curve.position(self._motion_s), self._gripper_now())
        self._history.add(MotionSample(now_s, self._motion_s, self._setpoint))
        return self._setpoint

    def _state(self) -> CurveState:
        return self._curve.state(self._motion_s) if self._follower is None else self._follower.state

    def _follow(self, target_rad: Array) -> None:
        """Go after a single target."""
        if self._follower is None:
            limits = self._settings.limits
            bounds = (limits.max_velocity_rad_s, limits.max_acceleration_rad_s2, limits.max_jerk_rad_s3)
            self._follower = TargetFollower(self._state(), bounds)
        self._follower.target_rad = target_rad

    def _play(self, times_s: Array, points_rad: Array, observed_s: float) -> Refusal | None:
        """Go over to a curve through the points, from a curve or from following a target."""
        follower = self._follower
        if follower is not None:
            begin = control_points_of(follower.state, MAX_KNOT_STEP_S)
            control = np.concatenate([begin, follower.ahead(MAX_KNOT_STEP_S)[1:]])
            self._curve, self._follower = BSpline(self._motion_s, MAX_KNOT_STEP_S, control), None
        self._ensemble(times_s, points_rad)
        slope_rad_s = np.array(self._history.slope_rad_s(observed_s, JOINT_COUNT))
        curve = self._transition(times_s, points_rad, slope_rad_s)
        if isinstance(curve, Refusal):
            self._follower = follower
            return curve
        self._curve = curve
        return None

    def _gripper_now(self) -> float:
        target = self.gripper_target
        return self._setpoint[JOINT_COUNT] if target is None else target

    def _ensemble(self, times_s: Array, points_rad: Array) -> None:
        """Mix the points with what the older chunk had planned for the same moments, in place."""
        share = self._settings.newest_share
        if share >= 1.0 or not self.active:
            return
        common = times_s <= self._nominal_end_s
        common[0] = False  # the setpoint at the observation is a fact
        old_rad = self._curve.positions(times_s[common])
        points_rad[common] = share * points_rad[common] + (1.0 - share) * old_rad

    def _transition(self, times_s: Array, points_rad: Array, slope_rad_s: Array) -> BSpline | Refusal:
        """The curve from the present motion over to the chunk, the quickest one within the limits."""
        step_s = min(MAX_KNOT_STEP_S, max(MIN_KNOT_STEP_S, float(times_s[-1] - times_s[-2]) / 2.0))
        begin = control_points_of(self._state(), step_s)
        quietest: tuple[float, Array] | None = None
        for slowdown in SLOWDOWNS:
            ahead_s = times_s - self._motion_s
            slowed_s = np.where(ahead_s > 0.0, self._motion_s + slowdown * ahead_s, times_s)
            path = self._braking_path(slowed_s, points_rad, slope_rad_s, step_s)
            knots = [math.ceil(k * slowdown) for k in (TRANSITION_KNOTS if self.active else QUICK_KNOTS)]
            controls = self._controls(begin, path, step_s, knots)
            tried = [
                (max(self._excess(peaks(control, step_s)), self._range_excess(control)), control)
                for control in controls
            ]
            least, smoothest = min(tried, key=lambda item: item[0])
            if least <= PLANNED_SHARE:
                # The quickest of those that are about as smooth as the smoothest.
                bound = min(SMOOTH_ENOUGH * least, PLANNED_SHARE)
                control = next(control for excess, control in tried if excess <= bound)
                return BSpline(self._motion_s, step_s, control)
            if quietest is None or least < quietest[0]:
                quietest = least, smoothest
        assert quietest is not None
        if quietest[0] <= 1.0:
            return BSpline(self._motion_s, step_s, quietest[1])
        if self._range_excess(quietest[1]) > 1.0:
            return self._range_refusal(quietest[1])
        return self._limit_refusal(peaks(quietest[1], step_s))

    def _braking_path(
        self, times_s: Array, points_rad: Array, slope_rad_s: Array, step_s: float
    ) -> ReferencePath:
        """The path with as short a last segment as lets it end at rest within the limits."""
        for stretch in BRAKE_STRETCHES:
            path = ReferencePath(times_s, points_rad, slope_rad_s, stretch)
            count = max(2, math.ceil((path.end_s - float(times_s[-2])) / step_s)) + 2
            before_end_s: Array = step_s * np.arange(count, -3, -1, dtype=np.float64)
            tail = path.positions(path.end_s - before_end_s)
            if self._excess(peaks(tail, step_s)) <= PLANNED_SHARE:
                break
        return path

    def _controls(self, begin: Array, path: ReferencePath, step_s: float, knots: list[int]) -> list[Array]:
        """Control points by number of knots: of the present motion, old and new mixed, the goal again."""
        least = math.ceil((path.end_s - self._motion_s) / step_s - 1e-9)
        number = np.arange(2, max(least, knots[-1] + 1) + 1)
        times_s: Array = self._motion_s + step_s * number.astype(np.float64)
        old, new = self._curve.control_at(times_s, step_s), path.positions(times_s)
        goal = np.repeat(path.end_rad[None], 3, axis=0)
        controls = []
        for count in knots:
            share = np.clip((number - 1.0) / count, 0.0, 1.0)[:, None]
            share = share * share * (3.0 - 2.0 * share)
            used = max(least, count + 1) - 2  # the last one is the goal already
            controls.append(np.concatenate([begin, (old + share * (new - old))[:used], goal]))
        return controls

    def _excess(self, found: Peaks) -> float:
        """The largest ratio of a peak to its limit."""
        return max(float(values.max()) / limit for _, values, limit, _ in self._judged(found))

    def _beyond_rad(self, control: Array) -> Array:
        """How far each joint's control points leave its range, (7,) rad; the curve stays between them."""
        beyond: Array = np.maximum(self._lower_rad - control, control - self._upper_rad).max(axis=0)
        return beyond

    def _range_excess(self, control: Array) -> float:
        """0 within the joints' ranges; more than any bound, and more for more, beyond them."""
        beyond_rad = float(self._beyond_rad(control).max())
        return 0.0 if beyond_rad <= 0.0 else 1e3 + beyond_rad

    def _range_refusal(self, control: Array) -> Refusal:
        beyond = self._beyond_rad(control)
        index = int(beyond.argmax())
        name, value = JOINT_NAMES[index], float(beyond[index])
        bound = f"[{self._lower_rad[index]:.3f}, {self._upper_rad[index]:.3f}] rad"
        text = f"{name}: on the way over to it the joint would leave {bound} by up to {value:.3f} rad"
        return Refusal("playable", name, value, bound, text)

    def _judged(self, found: Peaks) -> tuple[tuple[str, Array, float, str], ...]:
        limits = self._settings.limits
        return (
            ("velocity", found.velocity_rad_s, limits.max_velocity_rad_s, "rad/s"),
            ("acceleration", found.acceleration_rad_s2, limits.max_acceleration_rad_s2, "rad/s2"),
            ("jerk", found.jerk_rad_s3, limits.max_jerk_rad_s3, "rad/s3"),
        )

    def _limit_refusal(self, found: Peaks) -> Refusal:
        what, values, limit, unit = max(self._judged(found), key=lambda kind: float(kind[1].max()) / kind[2])
        index = int(values.argmax())
        bound = f"at most {limit:.3f} {unit}"
        name, value = JOINT_NAMES[index], float(values[index])
        text = f"{name}: it takes {value:.3f} {unit} of {what} to play it, allowed is {bound}"
        return Refusal("playable", name, value, bound, text)
