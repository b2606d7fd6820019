"""Simulated Realman RM75 tabletop: MuJoCo world, gymnasium environment, scripted expert and judge.

Importing the package registers the environment `kine_sim/KineRealman-v0`; MuJoCo itself is
imported only when an environment or a world is made. Without gymnasium nothing is registered
and the rest of the package still works.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

ENVIRONMENT_ID = "kine_sim/KineRealman-v0"
MAX_EPISODE_STEPS = 150

if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    # Without a screen MuJoCo's default (a window) cannot render. Must be set before mujoco is imported.
    os.environ.setdefault("MUJOCO_GL", "egl")

if find_spec("gymnasium") is not None:
    from gymnasium.envs.registration import register, registry

    if ENVIRONMENT_ID not in registry:
        register(
            id=ENVIRONMENT_ID,
            entry_point="kine_sim.env:KineRealmanEnv",
            max_episode_steps=MAX_EPISODE_STEPS,
        )

__all__ = ["ENVIRONMENT_ID", "MAX_EPISODE_STEPS"]
