"""The arm behind the controller: what the controller needs of it, and a light stand-in without physics."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kine_sim import rm75

FloatArray = NDArray[np.float64]
DOF = rm75.JOINT_COUNT
HOME_RAD: FloatArray = rm75.HOME_RAD
VELOCITY_FILTER_S = 0.02


class ArmBackend(Protocol):
    """Seven joints and a gripper; all calls are quick and may come from several threads."""

    def measured_rad(self) -> FloatArray:
        """Measured joint angles, shape (7,), rad."""
        ...

    def measured_velocity_rad_s(self) -> FloatArray:
        """Measured joint speeds, shape (7,), rad/s."""
        ...

    def set_target_rad(self, target: FloatArray) -> None:
        """Give the joint position loops new set-points, shape (7,), rad."""
        ...

    def gripper_opening(self) -> float:
        """Measured gripper opening, 0 closed .. 1 open."""
        ...

    def set_gripper_target(self, opening: float, speed: float = 1.0, force_n: float | None = None) -> None:
        """Move the gripper to `opening` (0..1) at `speed` (0..1 of its maximum) with at most `force_n`."""
        ...

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Switch the motor of joint `index` (0-based) on or off."""
        ...

    def joint_enabled(self) -> NDArray[np.bool_]:
        """Which motors are on, shape (7,)."""
        ...

    def current_a(self) -> FloatArray:
        """Motor currents, shape (7,), A."""
        ...

    def temperature_c(self) -> FloatArray:
        """Joint temperatures, shape (7,), degrees Celsius."""
        ...


class KinematicArm:
    """First-order joints without dynamics: each joint approaches its target with one time constant.

    The state is advanced lazily, exactly, from the time that passed since the last call: no thread is needed.
    """

    def __init__(
        self,
        start_rad: Sequence[float] | FloatArray = HOME_RAD,
        time_constant_s: float = 0.03,
        gripper_opening: float = 1.0,
        full_stroke_s: float = 0.5,
    ) -> None:
        start = np.array(start_rad, dtype=float)
        if start.shape != (DOF,) or not np.all(np.isfinite(start)):
            raise ValueError(f"start_rad must be {DOF} finite angles, got {start_rad!r}")
        if time_constant_s <= 0.0 or full_stroke_s <= 0.0:
            raise ValueError(
                f"time_constant_s {time_constant_s} and full_stroke_s {full_stroke_s} must be > 0 s"
            )
        self._q = start
        self._velocity = np.zeros(DOF)
        self._target = start.copy()
        self._time_constant_s = time_constant_s
        self._enabled = np.ones(DOF, dtype=bool)
        self._opening = float(gripper_opening)
        self._opening_target = float(gripper_opening)
        self._opening_rate = 1.0 / full_stroke_s
        self._full_stroke_s = full_stroke_s
        self._object_opening = 0.0
        self._last_s = time.monotonic()
        self._lock = threading.Lock()

    def _advance(self) -> None:
        now = time.monotonic()
        dt = now - self._last_s
        self._last_s = now
        error = (self._target - self._q) * self._enabled
        decay = np.exp(-dt / self._time_constant_s)
        change = error * (1.0 - decay)
        self._q = self._q + change
        if dt > 0.0:
            # Filtered like a real encoder's speed: set-points arrive in steps, the speed should not.
            share = 1.0 - np.exp(-dt / VELOCITY_FILTER_S)
            self._velocity = self._velocity + share * (change / dt - self._velocity)
        # The jaws cannot close further than the object between them.
        goal = max(self._opening_target, self._object_opening)
        step = np.clip(goal - self._opening, -self._opening_rate * dt, self._opening_rate * dt)
        self._opening = float(self._opening + step)

    def measured_rad(self) -> FloatArray:
        """Joint angles, shape (7,), rad."""
        with self._lock:
            self._advance()
            return self._q.copy()

    def measured_velocity_rad_s(self) -> FloatArray:
        """Joint speeds, shape (7,), rad/s."""
        with self._lock:
            self._advance()
            return self._velocity.copy()

    def set_target_rad(self, target: FloatArray) -> None:
        """Set-points, shape (7,), rad."""
        value = np.asarray(target, dtype=float)
        if value.shape != (DOF,) or not np.all(np.isfinite(value)):
            raise ValueError(f"target must be {DOF} finite angles, got {target!r}")
        with self._lock:
            self._advance()
            self._target = value.copy()

    def gripper_opening(self) -> float:
        """Opening, 0 closed .. 1 open."""
        with self._lock:
            self._advance()
            return self._opening

    def set_gripper_target(self, opening: float, speed: float = 1.0, force_n: float | None = None) -> None:
        """Move the jaws at a constant rate; the force has no meaning without physics."""
        if not 0.0 <= opening <= 1.0 or not 0.0 < speed <= 1.0:
            raise ValueError(f"gripper opening {opening} must be in 0..1 and speed {speed} in (0..1]")
        with self._lock:
            self._advance()
            self._opening_target = float(opening)
            self._opening_rate = speed / self._full_stroke_s

    def place_object_between_jaws(self, opening: float) -> None:
        """Let the jaws stop at `opening` (0..1) when closing, as if they met an object of that width."""
        with self._lock:
            self._object_opening = float(opening)

    def push_rad(self, q: FloatArray) -> None:
        """Put the joints at `q` (7,) rad, as if a collision had thrown them off."""
        with self._lock:
            self._advance()
            self._q = np.array(q, dtype=float)

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Switch a motor; a joint without motor stays where it is."""
        if not 0 <= index < DOF:
            raise ValueError(f"joint index {index} must be in 0..{DOF - 1}")
        with self._lock:
            self._advance()
            self._enabled[index] = enabled

    def joint_enabled(self) -> NDArray[np.bool_]:
        """Which motors are on, shape (7,)."""
        with self._lock:
            return self._enabled.copy()

    def current_a(self) -> FloatArray:
        """A plausible holding current plus a part that grows with the position error, A."""
        with self._lock:
            self._advance()
            return (0.3 + 4.0 * np.abs(self._target - self._q)) * self._enabled

    def temperature_c(self) -> FloatArray:
        """A constant, plausible 33 degrees Celsius per joint."""
        return np.full(DOF, 33.0)
