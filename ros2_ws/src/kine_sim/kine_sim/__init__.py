"""Simulated Realman RM75 tabletop: MuJoCo world, gymnasium environment, scripted expert and judge.

Importing the package registers the environment `kine_sim/KineRealman-v0`; MuJoCo itself is
imported only when an environment or a world is made. Without gymnasium nothing is registered
and the rest of the package still works.
"""

from __future__ import annotations

from importlib.util import find_spec

from kinevla.rendering import choose_library

ENVIRONMENT_ID = "kine_sim/KineRealman-v0"
MAX_EPISODE_STEPS = 150

choose_library()  # MuJoCo reads the choice when it is imported

if find_spec("gymnasium") is not None:
    from gymnasium.envs.registration import register, registry

    if ENVIRONMENT_ID not in registry:
        register(
            id=ENVIRONMENT_ID,
            entry_point="kine_sim.env:KineRealmanEnv",
            max_episode_steps=MAX_EPISODE_STEPS,
        )

__all__ = ["ENVIRONMENT_ID", "MAX_EPISODE_STEPS"]
