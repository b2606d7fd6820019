"""The curve the setpoint runs along: a uniform cubic B-spline over the seven joints.

Position, velocity and acceleration are continuous everywhere and the jerk is constant between knots. Bounds
of all of them can be read off the control points, and the curve never leaves the box these span.
Source: de Boor, "A Practical Guide to Splines" (1978), the uniform cubic case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CurveState:
    """Where the curve is: (7,) rad, rad/s and rad/s^2."""

    position_rad: Array
    velocity_rad_s: Array
    acceleration_rad_s2: Array


def control_points_of(state: CurveState, step_s: float) -> Array:
    """The three control points (3, 7) that make a curve with knots `step_s` apart begin in `state`."""
    middle = state.position_rad - state.acceleration_rad_s2 * (step_s**2 / 6.0)
    bend = state.acceleration_rad_s2 * (step_s**2 / 2.0)
    away = state.velocity_rad_s * step_s
    return np.stack([middle - away + bend, middle, middle + away + bend])


class BSpline:
    """One curve from `start_s` to `end_s`; before and after it, its ends hold.

    Args:
        start_s: time of the first knot.
        step_s: time between knots.
        control: (N, 7) control points, N >= 4, rad. Three equal ones at the end make it end at rest.
    """

    def __init__(self, start_s: float, step_s: float, control: Array) -> None:
        if control.ndim != 2 or len(control) < 4:
            raise ValueError(f"a cubic curve needs at least 4 control points, got shape {control.shape}")
        self.start_s, self.step_s, self.control = start_s, step_s, control
        self.end_s = start_s + (len(control) - 3) * step_s
        self._rows = control.tolist()

    @classmethod
    def resting(cls, time_s: float, position_rad: Array, step_s: float) -> BSpline:
        """A curve of no motion at `position_rad` (7,)."""
        return cls(time_s - step_s, step_s, np.tile(np.asarray(position_rad, dtype=np.float64), (4, 1)))

    def position(self, time_s: float) -> tuple[float, ...]:
        """(7,) the position, rad; plain floats, as this runs with every frame."""
        if time_s >= self.end_s:
            # At the end the three last points weigh 1/6, 4/6, 1/6: for a curve that ends at rest its goal.
            a, b, c = self._rows[-3:]
            return (
                tuple(b)
                if a == b == c
                else tuple((x + 4.0 * y + z) / 6.0 for x, y, z in zip(a, b, c, strict=True))
            )
        index, u = self._place(time_s)
        rest = 1.0 - u
        w0, w3 = rest * rest * rest / 6.0, u * u * u / 6.0
        w1 = (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0
        w2 = 1.0 - w0 - w1 - w3
        p0, p1, p2, p3 = self._rows[index : index + 4]
        return tuple(w0 * a + w1 * b + w2 * c + w3 * d for a, b, c, d in zip(p0, p1, p2, p3, strict=True))

    def state(self, time_s: float) -> CurveState:
        """Position, velocity and acceleration; at rest before the start and after the end of the curve."""
        position = np.array(self.position(time_s))
        if not self.start_s <= time_s < self.end_s:
            return CurveState(position, np.zeros_like(position), np.zeros_like(position))
        index, u = self._place(time_s)
        points, h = self.control[index : index + 4], self.step_s
        slope = np.array([-((1 - u) ** 2), 3 * u * u - 4 * u, -3 * u * u + 2 * u + 1, u * u]) / (2.0 * h)
        bend = np.array([1 - u, 3 * u - 2, 1 - 3 * u, u]) / h**2
        return CurveState(position, slope @ points, bend @ points)

    def around(self, time_s: float) -> Array:
        """The (M, 7) control points, M >= 4, that shape the curve at a time and just before and after it."""
        index, _ = self._place(time_s)
        return self.control[max(0, index - 1) : index + 5]

    def positions(self, times_s: Array) -> Array:
        """(K, 7) positions at K times, rad."""
        place = (times_s - self.start_s) / self.step_s
        place = np.minimum(np.maximum(place, 0.0), len(self.control) - 3.0)
        index = np.minimum(place.astype(int), len(self.control) - 4)
        u = (place - index)[:, None]
        rest = 1.0 - u
        w0, w3 = rest**3 / 6.0, u**3 / 6.0
        w1 = (3.0 * u**3 - 6.0 * u**2 + 4.0) / 6.0
        points = self.control
        result: Array = (
            w0 * points[index]
            + w1 * points[index + 1]
            + (1.0 - w0 - w1 - w3) * points[index + 2]
            + w3 * points[index + 3]
        )
        return result

    def control_at(self, times_s: Array, step_s: float) -> Array:
        """(K, 7) control points of a curve with knots `step_s` apart that keeps to this one.

        Exact while the acceleration is constant; a curve through the positions themselves would bend more.
        """
        place = (times_s - self.start_s) / self.step_s
        place = np.minimum(np.maximum(place, 0.0), len(self.control) - 3.0)
        index = np.minimum(place.astype(int), len(self.control) - 4)
        u = (place - index)[:, None]
        bends = np.diff(self.control, n=2, axis=0) / self.step_s**2
        acceleration = (1.0 - u) * bends[index] + u * bends[index + 1]
        result: Array = self.positions(times_s) - acceleration * (step_s**2 / 6.0)
        return result

    def _place(self, time_s: float) -> tuple[int, float]:
        place = max(0.0, (time_s - self.start_s) / self.step_s)
        index = min(int(place), len(self._rows) - 4)
        return index, min(place - index, 1.0)


def motion_excess(control: Array, step_s: float, limits: tuple[float, float, float]) -> Array:
    """The largest ratio of velocity, acceleration or jerk to its limit (rad/s, rad/s^2, rad/s^3).

    The same bounds as `peaks`, for all joints and for several curves (..., N, 7) at once: (...).
    """
    excess, span_s = np.zeros(control.shape[:-2]), 1.0
    for limit in limits:
        control = control[..., 1:, :] - control[..., :-1, :]
        span_s *= step_s
        excess = np.maximum(excess, np.abs(control).max(axis=(-2, -1)) / (limit * span_s))
    return excess


@dataclass(frozen=True)
class Peaks:
    """Largest velocity, acceleration and jerk of each joint, (7,): rad/s, rad/s^2, rad/s^3."""

    velocity_rad_s: Array
    acceleration_rad_s2: Array
    jerk_rad_s3: Array


def peaks(control: Array, step_s: float) -> Peaks:
    """Bounds of the motion of a curve, from its control points (N, 7)."""
    first = np.diff(control, axis=0)
    second = np.diff(first, axis=0)
    third = np.diff(second, axis=0)
    return Peaks(
        np.abs(first).max(axis=0) / step_s,
        np.abs(second).max(axis=0) / step_s**2,
        np.abs(third).max(axis=0) / step_s**3,
    )
