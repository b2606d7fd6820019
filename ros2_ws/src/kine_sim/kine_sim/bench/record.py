"""Records a world of the bench into a trace."""

from __future__ import annotations

import mujoco
import numpy as np

from kine_sim.bench.scene import BenchScene
from kine_sim.bench.things import THINGS
from kine_sim.bench.trace import Grip, Trace
from kine_sim.mjcf import build_model
from kine_sim.world import World


def bench_model() -> mujoco.MjModel:
    """Compile a model that has all things of the catalogue."""
    kinds = [kind for kind in THINGS.values() if kind.body]
    return build_model("".join(kind.assets for kind in kinds), "".join(kind.xml for kind in kinds))


def new_trace(scene: BenchScene) -> Trace:
    """An empty trace of a trial in a scene."""
    table = scene.table
    return Trace({name: laid.thing.shape for name, laid in table.things.items()}, table.plate_xy_m)


def observe(trace: Trace, world: World, at_s: float | None = None) -> None:
    """Add the world as it is now, at its own time or at another one."""
    with world.lock:
        contacts = world.grip_contacts()
        poses = {name: world.object_pose(name) for name in contacts}
        tool, opening, time_s = world.object_pose("tool"), world.gripper_opening, world.time_s
    grip = None
    for name, contact in contacts.items():
        if contact.both:
            x, y, z = np.mean([contact.left_m.mean(0), contact.right_m.mean(0)], axis=0)
            grip = Grip(name, (float(x), float(y), float(z)))
    touched = [name for name, contact in contacts.items() if contact.any]
    trace.observe(
        time_s if at_s is None else at_s, poses, tool=tool, opening=opening, grip=grip, touched=touched
    )
