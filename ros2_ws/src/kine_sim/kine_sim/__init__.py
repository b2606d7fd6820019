"""Simulated Realman RM75 tabletop: MuJoCo world, gymnasium environment, scripted expert and judge.

Importing the package registers the environments `kine_sim/KineRealman-v0` and
`kine_sim/KineBench-v0`; MuJoCo itself is imported only when an environment or a world is made.
Without gymnasium nothing is registered and the rest of the package still works.
"""

from __future__ import annotations

from importlib.util import find_spec

from kinevla.rendering import choose_library

ENVIRONMENT_ID = "kine_sim/KineRealman-v0"
BENCH_ENVIRONMENT_ID = "kine_sim/KineBench-v0"
MAX_EPISODE_STEPS = 150
MAX_BENCH_STEPS = 300

choose_library()  # MuJoCo reads the choice when it is imported

if find_spec("gymnasium") is not None:
    from gymnasium.envs.registration import register, registry

    for name, entry_point, steps in (
        (ENVIRONMENT_ID, "kine_sim.env:KineRealmanEnv", MAX_EPISODE_STEPS),
        (BENCH_ENVIRONMENT_ID, "kine_sim.bench.env:KineBenchEnv", MAX_BENCH_STEPS),
    ):
        if name not in registry:
            register(id=name, entry_point=entry_point, max_episode_steps=steps)

__all__ = ["BENCH_ENVIRONMENT_ID", "ENVIRONMENT_ID", "MAX_BENCH_STEPS", "MAX_EPISODE_STEPS"]
