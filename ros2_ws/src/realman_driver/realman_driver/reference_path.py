"""What a chunk asks for between its points: a path through them that comes to rest at the last one."""

from __future__ import annotations

import numpy as np

from .bspline import Array


class ReferencePath:
    """Piecewise cubic through the points of a chunk, smooth in velocity, never beyond its neighbours.

    It always ends at rest: when no newer chunk comes, the arm stands still at a point that was checked.

    Args:
        times_s: (K + 1,) increasing; the first is that of the observation.
        points_rad: (K + 1, 7); the first is the setpoint at the time of the observation.
        first_slope_rad_s: (7,) velocity of the setpoint then.
    """

    def __init__(self, times_s: Array, points_rad: Array, first_slope_rad_s: Array) -> None:
        self._nominal_s = np.array(times_s, dtype=np.float64)
        self._times_s = self._nominal_s.copy()
        slopes = _slopes(self._nominal_s, points_rad)
        slopes[0] = first_slope_rad_s
        self._points_rad, self._slopes_rad_s = points_rad, slopes

    def stretch_braking(self, factor: float) -> None:
        """Give the last segment so many times its duration, to brake more gently; the rest stays as it is."""
        before_s, last_s = self._nominal_s[-2:]
        self._times_s[-1] = last_s + (factor - 1.0) * (last_s - before_s)

    @property
    def end_s(self) -> float:
        """Time at which the last point is reached."""
        return float(self._times_s[-1])

    @property
    def end_rad(self) -> Array:
        """(7,) the last point."""
        last: Array = self._points_rad[-1]
        return last

    def positions(self, times_s: Array) -> Array:
        """(N, 7) rad at N times; the ends hold."""
        times_s = np.minimum(np.maximum(times_s, self._times_s[0]), self._times_s[-1])
        index = np.minimum(np.searchsorted(self._times_s, times_s, side="right"), len(self._times_s) - 1) - 1
        width = (self._times_s[index + 1] - self._times_s[index])[:, None]
        u = (times_s - self._times_s[index])[:, None] / width
        p0, p1 = self._points_rad[index], self._points_rad[index + 1]
        m0, m1 = self._slopes_rad_s[index] * width, self._slopes_rad_s[index + 1] * width
        rest = 1.0 - u
        return (
            (1.0 + 2.0 * u) * rest**2 * p0 + u * rest**2 * m0 + u**2 * (3.0 - 2.0 * u) * p1 - u**2 * rest * m1
        )


def _slopes(times_s: Array, points_rad: Array) -> Array:
    """Velocities at the points: of the parabola through three of them, limited so that nothing overshoots.

    The limit (three times the smaller of the neighbouring slopes, zero at a turn) is Fritsch's and Carlson's
    condition for a monotone cubic (SIAM J. Numer. Anal. 17, 1980).
    """
    width = np.diff(times_s)[:, None]
    secant = np.diff(points_rad, axis=0) / width
    slopes = np.zeros_like(points_rad)
    slopes[0] = secant[0]
    before, after = secant[:-1], secant[1:]
    mean = (width[1:] * before + width[:-1] * after) / (width[1:] + width[:-1])
    bound = 3.0 * np.minimum(np.abs(before), np.abs(after)) * (before * after > 0.0)
    slopes[1:-1] = np.clip(mean, -bound, bound)
    return slopes
