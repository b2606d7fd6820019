"""The MuJoCo world as the arm behind the emulated controller.

Physics may hold the world's lock for a while. The controller must stay punctual all the same, so this
adapter never waits for the lock: it works on the last exchanged values and exchanges new ones whenever
the lock is free. A thread that steps the world should call `exchange` after each step.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kine_sim import rm75

FloatArray = NDArray[np.float64]
_AMBIENT_C = 30.0
_SELF_HEATING_C_PER_A = 0.5


class WorldBackend:
    """`ArmBackend` on a `kine_sim.world.World`.

    Args:
        world: the simulated tabletop; its `lock` guards it.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._lock = threading.Lock()
        with world.lock:
            self._measured = world.measured_rad
            self._velocity = world.measured_velocity_rad_s
            self._opening = float(world.gripper_opening)
            self._current = np.abs(world.motor_current_a)
            self._enabled = np.array(world.joint_enabled, dtype=bool)
        self._target: FloatArray | None = None
        self._gripper: tuple[float, float, float] | None = None
        self._switches: list[tuple[int, bool]] = []

    def exchange(self) -> None:
        """Hand waiting commands to the world and take its newest measurements; takes the world's lock."""
        with self._world.lock:
            self._exchange_locked()

    def _exchange_if_free(self) -> None:
        if self._world.lock.acquire(blocking=False):
            try:
                self._exchange_locked()
            finally:
                self._world.lock.release()

    def _exchange_locked(self) -> None:
        world = self._world
        with self._lock:
            switches, self._switches = self._switches, []
            target, self._target = self._target, None
            gripper, self._gripper = self._gripper, None
            for index, enabled in switches:
                world.set_joint_enabled(index, enabled)
            if target is not None:
                world.set_joint_target_rad(target)
            if gripper is not None:
                opening, force_n, speed = gripper
                world.set_gripper_target(opening, force_n=force_n, speed=speed)
            self._measured = world.measured_rad
            self._velocity = world.measured_velocity_rad_s
            self._opening = float(world.gripper_opening)
            self._current = np.abs(world.motor_current_a)

    def measured_rad(self) -> FloatArray:
        """Joint angles, shape (7,), rad."""
        self._exchange_if_free()
        with self._lock:
            return self._measured.copy()

    def measured_velocity_rad_s(self) -> FloatArray:
        """Joint speeds, shape (7,), rad/s."""
        with self._lock:
            return self._velocity.copy()

    def set_target_rad(self, target: FloatArray) -> None:
        """Set-points, shape (7,), rad.

        Raises:
            ValueError: not seven finite angles within the limits.
        """
        value = rm75.check_joints(target).copy()
        with self._lock:
            self._target = value
        self._exchange_if_free()

    def gripper_opening(self) -> float:
        """Opening, 0 closed .. 1 open."""
        with self._lock:
            return self._opening

    def set_gripper_target(self, opening: float, speed: float = 1.0, force_n: float | None = None) -> None:
        """Move the fingers; without a force they press with the gripper's full one."""
        limit = rm75.GRIPPER_FORCE_N
        with self._lock:
            self._gripper = (
                rm75.check_opening(opening),
                limit if force_n is None else min(force_n, limit),
                speed,
            )
        self._exchange_if_free()

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Switch the motor of joint `index` (0-based)."""
        with self._lock:
            self._switches.append((index, bool(enabled)))
            self._enabled[index] = enabled
        self._exchange_if_free()

    def joint_enabled(self) -> NDArray[np.bool_]:
        """Which motors are on, shape (7,)."""
        with self._lock:
            return self._enabled.copy()

    def current_a(self) -> FloatArray:
        """Motor currents, shape (7,), A, without sign."""
        with self._lock:
            return self._current.copy()

    def temperature_c(self) -> FloatArray:
        """Joint temperatures, shape (7,), degrees Celsius: ambient plus a share of the present current."""
        with self._lock:
            return _AMBIENT_C + _SELF_HEATING_C_PER_A * self._current
