"""Follows a stream of single targets, as teleoperation sends them: close behind, and able to stop at each.

A curve that ends at rest, made anew with every target, would always be about to stop and fall far behind.
Here the speed is proportional to the distance left, and never higher than what can be braked on it.
"""

from __future__ import annotations

import copy

import numpy as np

from .bspline import Array, CurveState

# The setpoint is 1/14 s behind a target that moves evenly; the speed settles four times as fast.
POSITION_GAIN_1_S = 14.0
VELOCITY_GAIN_1_S = 56.0
# Braking from the distance left uses this share of the acceleration; the rest is for keeping to it.
BRAKING_SHARE = 0.6
_MOST_STEPS_AHEAD = 60
_AT_REST_RAD = 2e-6
_AT_REST_RAD_S = 1e-4


class TargetFollower:
    """Moves seven joints towards a target within limits of velocity, acceleration and jerk.

    Args:
        state: where the setpoint is and how it moves.
        limits: rad/s, rad/s^2, rad/s^3.
    """

    def __init__(self, state: CurveState, limits: tuple[float, float, float]) -> None:
        self._position = state.position_rad.copy()
        self._velocity = state.velocity_rad_s.copy()
        self._acceleration = state.acceleration_rad_s2.copy()
        self._limits = limits
        self.target_rad: Array = self._position.copy()

    @property
    def state(self) -> CurveState:
        """Position, velocity and acceleration now."""
        return CurveState(self._position.copy(), self._velocity.copy(), self._acceleration.copy())

    @property
    def at_rest(self) -> bool:
        """Whether the target is reached."""
        away, speed = np.abs(self.target_rad - self._position), np.abs(self._velocity)
        return bool(away.max() <= _AT_REST_RAD and speed.max() <= _AT_REST_RAD_S)

    def ahead(self, step_s: float, frame_s: float = 0.01) -> Array:
        """(N, 7) where it will be at multiples of `step_s`, up to the target, three times at the end."""
        clone = copy.copy(self)
        positions = []
        for _ in range(_MOST_STEPS_AHEAD):
            for _ in range(max(1, round(step_s / frame_s))):
                clone.advance(frame_s)
            positions.append(clone.state.position_rad)
            if clone.at_rest:
                break
        return np.array([*positions, *([self.target_rad] * 3)])

    def advance(self, step_s: float) -> tuple[float, ...]:
        """Move on by `step_s` seconds; the (7,) position then, rad."""
        if step_s <= 0.0:
            return tuple(self._position.tolist())
        max_velocity, max_acceleration, max_jerk = self._limits
        left = self.target_rad - self._position
        braked = np.sqrt(2.0 * BRAKING_SHARE * max_acceleration * np.abs(left))
        speed = np.minimum(np.minimum(np.abs(left) * POSITION_GAIN_1_S, braked), max_velocity)
        wanted = (np.sign(left) * speed - self._velocity) * VELOCITY_GAIN_1_S
        wanted = np.clip(wanted, -max_acceleration, max_acceleration)
        change = np.clip(wanted - self._acceleration, -max_jerk * step_s, max_jerk * step_s)
        before = self._velocity
        self._acceleration = self._acceleration + change
        self._velocity = before + self._acceleration * step_s
        self._position = self._position + 0.5 * (before + self._velocity) * step_s
        if self.at_rest:
            self._position = self.target_rad.copy()
            self._velocity = np.zeros_like(before)
            self._acceleration = np.zeros_like(before)
        return tuple(self._position.tolist())
