"""Fastest stop of the joints: a common deceleration from the present speed of the set-point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .settings import ControllerSettings

FloatArray = NDArray[np.float64]
# Frames arrive less often than the control loop runs, so the speed of the set-point is averaged over a while.
_VELOCITY_FILTER_S = 0.02
_AT_REST_RAD_S = 1e-3


class Brake:
    """Knows the speed of the set-point and can bring it to rest."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self._velocity: FloatArray = np.zeros(7)
        self.active = False

    def observe(self, change: FloatArray, dt_s: float) -> None:
        """Note that the set-point moved by `change` (7,) rad within `dt_s`."""
        if not self.active:
            share = min(1.0, dt_s / _VELOCITY_FILTER_S)
            self._velocity = self._velocity + share * (change / dt_s - self._velocity)

    def begin(self) -> None:
        """Start braking unless the set-point rests."""
        self.active = self.active or float(np.max(np.abs(self._velocity))) > _AT_REST_RAD_S

    def release(self) -> None:
        """Forget the speed: the set-point rests."""
        self._velocity = np.zeros(7)
        self.active = False

    def step(self, setpoint: FloatArray, dt_s: float) -> FloatArray:
        """Next set-point (7,) rad while braking; all joints come to rest together, on a straight course."""
        slowest_s = float(np.max(np.abs(self._velocity) / self._settings.joint_acceleration_rad_s2()))
        if slowest_s <= dt_s:
            self.release()
            return setpoint
        self._velocity = self._velocity * (1.0 - dt_s / slowest_s)
        return setpoint + self._velocity * dt_s
