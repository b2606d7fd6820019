"""How far the simulated arm lags behind its setpoints, as the driver judges it (`following.py`).

Joints swing at up to a given speed; the setpoint changes every 10 ms, as in the joint stream. Printed: the
largest distance from the present setpoint, and from all of the last 0.15 s.

    python benchmarks/following_error.py
"""

from __future__ import annotations

import math

import numpy as np

from kine_sim import rm75
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World

PERIOD_S, LAG_S = 0.01, 0.15
# Each joint's share of the swing, which keeps the arm clear of the table and of itself.
SHARES = np.array([1.0, -0.3, 0.3, -0.3, 1.0, -0.3, 1.0])
SETTLED_S = 0.8


def swing(world: World, amplitude_rad: float, speed_rad_s: float) -> tuple[float, float]:
    """Two periods of a sine; largest distance from the present setpoint and from those of the lag, rad."""
    home, turns = np.array(rm75.HOME_RAD), speed_rad_s / amplitude_rad
    setpoints: list[np.ndarray] = []
    gap_rad = error_rad = 0.0
    for number in range(round((SETTLED_S + 4.0 * math.pi / turns) / PERIOD_S)):
        time_s = number * PERIOD_S
        setpoints.append(home + amplitude_rad * math.sin(turns * time_s) * SHARES)
        world.set_joint_target_rad(setpoints[-1])
        world.step(round(PERIOD_S / world.timestep_s))
        if time_s < SETTLED_S:
            continue
        measured, lately = world.measured_rad, np.array(setpoints[-round(LAG_S / PERIOD_S) - 1 :])
        gap_rad = max(gap_rad, float(np.abs(setpoints[-1] - measured).max()))
        error = np.maximum(lately.min(axis=0) - measured, measured - lately.max(axis=0))
        error_rad = max(error_rad, float(error.max()))
    return gap_rad, error_rad


def main() -> None:
    """Print one line for each speed."""
    world = World(sample_scene(TASKS[4], 1, False), camera_size=(64, 64))
    for amplitude_rad, speed_rad_s in ((0.3, 0.5), (0.5, 1.2), (0.6, 2.0), (0.6, 2.5)):
        gap_rad, error_rad = swing(world, amplitude_rad, speed_rad_s)
        lag_ms = 1000.0 * gap_rad / speed_rad_s
        print(
            f"{speed_rad_s} rad/s: {gap_rad:.4f} rad from the setpoint ({lag_ms:.0f} ms), "
            f"{error_rad:.4f} rad from all of the last {LAG_S} s"
        )


if __name__ == "__main__":
    main()
