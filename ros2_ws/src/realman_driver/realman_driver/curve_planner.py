"""From the points of a chunk to the curve that will be played: smooth, within the limits, at rest at the end.

The setpoint goes over from the curve it is on to the one the chunk asks for, by as many knots as keep
velocity, acceleration and jerk within their limits; when none does, the chunk is played more slowly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arm_model import JOINT_COUNT, JOINT_NAMES, Limits
from .bspline import Array, BSpline, Peaks, control_points_of, motion_excess, peaks
from .gate import Refusal
from .reference_path import ReferencePath
from .target_follower import curve_to_target

# Half the policy's period: the curve rounds the corners of a path, by a millimetre at the tool.
MAX_KNOT_STEP_S = 0.05
MIN_KNOT_STEP_S = 0.02
# What is tried to keep the limits, the first that does is taken: knots over which the setpoint goes over to
# the new chunk; factors on the time to the last point, where it brakes; factors on all times that lie ahead.
TRANSITION_KNOTS = (2, 3, 4, 6)
QUICK_KNOTS = (1, 2, 3)
BRAKE_STRETCHES = (1.0, 1.5, 2.0, 3.0, 4.0)
# Less than the slowdown needed to keep the limits by this factor is not tried.
HOPEFUL = 0.8
SLOWDOWNS = (1.0, 1.15, 1.35, 1.7, 2.5, 4.0, 8.0)
# Plans keep to this share of the limits: a running curve described by new knots may bend a tenth more, and
# that needs room. What does not fit is taken as long as the limits themselves hold.
PLANNED_SHARE = 0.9
# Single targets keep to less: the curve to one often runs at its limits, and a chunk may take over there.
FOLLOWED_SHARE = 0.8
SMOOTH_ENOUGH = 1.15


@dataclass(frozen=True)
class MotionLimits:
    """What the setpoint may do, every joint: rad/s, rad/s^2, rad/s^3."""

    max_velocity_rad_s: float = 2.5
    max_acceleration_rad_s2: float = 10.4
    max_jerk_rad_s3: float = 500.0


@dataclass(frozen=True)
class PlannedCurve:
    """A curve to be played, and the (K,) motion times at which it comes to the chunk's points."""

    curve: BSpline
    times_s: Array


class CurvePlanner:
    """Makes curves.

    Args:
        limits: of the setpoint's motion.
        ranges: 7 pairs of joint limits, rad, which no curve leaves.
    """

    def __init__(self, limits: MotionLimits, ranges: Limits) -> None:
        self._limits = limits
        self._bounds = limits.max_velocity_rad_s, limits.max_acceleration_rad_s2, limits.max_jerk_rad_s3
        self._lower_rad, self._upper_rad = (np.array(side) for side in zip(*ranges, strict=True))

    def to_target(self, running: BSpline, begin_s: float, target_rad: Array) -> PlannedCurve | Refusal:
        """The curve after a single target (7,), from the running curve at `begin_s` on."""
        velocity, acceleration, jerk = self._bounds
        bounds = velocity, FOLLOWED_SHARE * acceleration, FOLLOWED_SHARE * jerk
        curve = curve_to_target(running.state(begin_s), begin_s, target_rad, bounds)
        if curve is None:
            text = f"at most {velocity:.3f} rad/s it takes longer than 6 s to reach it"
            return Refusal("playable", "", "longer", "at most 6 s", text)
        if self._range_excess(curve.control) > 1.0:
            return self._range_refusal(curve.control)
        return PlannedCurve(curve, np.array([curve.end_s]))

    def through_points(
        self, running: BSpline, begin_s: float, times_s: Array, points_rad: Array, slope_rad_s: Array
    ) -> PlannedCurve | Refusal:
        """The quickest curve within the limits from the running one over to a chunk.

        Args:
            running: the curve played so far.
            begin_s: motion time at which the new one begins.
            times_s: (K + 1,) of the observation and the points.
            points_rad: (K + 1, 7) the setpoint at the observation and the points.
            slope_rad_s: (7,) velocity of the setpoint at the observation.
        """
        wanted_s = min(MAX_KNOT_STEP_S, max(MIN_KNOT_STEP_S, float(times_s[-1] - times_s[-2]) / 2.0))
        moving = begin_s < running.end_s
        # Wide knots cannot describe the quick turns of a curve with narrow ones.
        narrow = moving and running.step_s < 0.5 * wanted_s
        most_s = max(MIN_KNOT_STEP_S, running.step_s) if narrow else wanted_s
        tried_knots = [k * (wanted_s / most_s) for k in (TRANSITION_KNOTS if moving else QUICK_KNOTS)]
        state = running.state(begin_s)
        # A curve that runs near the limits may be left as quickly as it was taken.
        share = max(PLANNED_SHARE, min(1.0, float(self._excess(running.around(begin_s), running.step_s))))
        quietest: tuple[float, PlannedCurve] | None = None
        needed = 1.0
        for slowdown in SLOWDOWNS:
            if slowdown < min(needed, SLOWDOWNS[-1]):
                continue
            ahead_s = times_s - begin_s
            slowed_s = np.where(ahead_s > 0.0, begin_s + slowdown * ahead_s, times_s)
            path, step_s = self._braking_path(slowed_s, points_rad, slope_rad_s, begin_s, most_s)
            begin = control_points_of(state, step_s)
            knots = [math.ceil(k * slowdown - 1e-9) for k in tried_knots]
            controls, used = _controls(begin, running, path, begin_s, step_s, knots)
            excess = self._excess(controls, step_s) + self._range_excess(controls)
            least = float(excess.min())
            if least <= share:
                # The quickest of those that are about as smooth as the smoothest.
                number = int(np.argmax(excess <= min(SMOOTH_ENOUGH * least, share)))
                return PlannedCurve(BSpline(begin_s, step_s, controls[number, : used[number]]), slowed_s[1:])
            # Acceleration falls with the square of the time; what would not do by far is not tried.
            needed = slowdown * HOPEFUL * math.sqrt(min(least, 100.0) / share)
            if quietest is None or least < quietest[0]:
                number = int(excess.argmin())
                curve = BSpline(begin_s, step_s, controls[number, : used[number]])
                quietest = least, PlannedCurve(curve, slowed_s[1:])
        assert quietest is not None
        least, planned = quietest
        if least <= 1.0:
            return planned
        control = planned.curve.control
        if float(self._range_excess(control)) > 1.0:
            return self._range_refusal(control)
        return self._limit_refusal(peaks(control, planned.curve.step_s))

    def _braking_path(
        self, times_s: Array, points_rad: Array, slope_rad_s: Array, begin_s: float, most_s: float
    ) -> tuple[ReferencePath, float]:
        """The path with as short a last segment as lets it end at rest within the limits, and the time
        between knots, `most_s` or a little less, of which one falls on its end."""
        path = ReferencePath(times_s, points_rad, slope_rad_s)
        for stretch in BRAKE_STRETCHES:
            path.stretch_braking(stretch)
            left_s = path.end_s - begin_s
            step_s = max(MIN_KNOT_STEP_S, left_s / max(1, math.ceil(left_s / most_s - 1e-9)))
            count = max(2, math.ceil((path.end_s - float(times_s[-2])) / step_s)) + 2
            before_end_s: Array = step_s * np.arange(count, -3, -1, dtype=np.float64)
            tail = path.positions(path.end_s - before_end_s)
            if self._excess(tail, step_s) <= PLANNED_SHARE:
                break
        return path, step_s

    def _excess(self, control: Array, step_s: float) -> Array:
        """The largest ratio of a peak to its limit, of several curves (..., N, 7)."""
        return motion_excess(control, step_s, self._bounds)

    def _beyond_rad(self, control: Array) -> Array:
        """How far each joint leaves its range, (..., 7) rad: a curve stays between its control points."""
        beyond: Array = np.maximum(
            self._lower_rad - control.min(axis=-2), control.max(axis=-2) - self._upper_rad
        )
        return beyond

    def _range_excess(self, control: Array) -> Array:
        """0 within the joints' ranges; more than any bound, and more for more, beyond them."""
        beyond_rad = self._beyond_rad(control).max(axis=-1)
        return np.where(beyond_rad > 0.0, 1e3 + beyond_rad, 0.0)

    def _range_refusal(self, control: Array) -> Refusal:
        beyond = self._beyond_rad(control)
        index = int(beyond.argmax())
        name, value = JOINT_NAMES[index], float(beyond[index])
        bound = f"[{self._lower_rad[index]:.3f}, {self._upper_rad[index]:.3f}] rad"
        text = f"{name}: on the way over to it the joint would leave {bound} by up to {value:.3f} rad"
        return Refusal("playable", name, value, bound, text)

    def _judged(self, found: Peaks) -> tuple[tuple[str, Array, float, str], ...]:
        limits = self._limits
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


def _controls(
    begin: Array, running: BSpline, path: ReferencePath, begin_s: float, step_s: float, knots: list[int]
) -> tuple[Array, list[int]]:
    """Control points by number of knots (K, N, 7): of the present motion, old and new mixed, the goal again;
    and how many of the N each needs."""
    least = math.ceil((path.end_s - begin_s) / step_s - 1e-9)
    number = np.arange(2, max(least, knots[-1] + 1) + 1)
    times_s: Array = begin_s + step_s * number.astype(np.float64)
    old, new = running.control_at(times_s, step_s), path.positions(times_s)
    share = np.minimum((number - 1.0) / np.array(knots)[:, None], 1.0)[:, :, None]
    share = share * share * (3.0 - 2.0 * share)
    controls = np.empty((len(knots), len(number) + 5, JOINT_COUNT))
    controls[:, :3], controls[:, 3:-2] = begin, old + share * (new - old)
    used = [max(least, count + 1) + 4 for count in knots]  # the last one on the way is the goal already
    for row, end in zip(controls, used, strict=True):
        row[end - 3 :] = path.end_rad
    return controls, used
