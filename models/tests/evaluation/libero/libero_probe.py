"""Runs where LIBERO can be imported: all rows are judged, then things are put where the goals want them.

The last line it prints is `RESULT` and a JSON object.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import numpy as np

from kinevla.evaluation.libero.environment import REST, LiberoEnvironment, start_states
from kinevla.evaluation.libero.tasks import LIBERO_TASKS, LiberoTask

BOWL, BOTTLE, PLATE = "akita_black_bowl_1", "wine_bottle_1", "plate_1"
UP = np.array([0.0, 0.0, 1.0])


class Scene:
    """Hands in LIBERO's scene: puts things where they are wanted."""

    def __init__(self, environment: LiberoEnvironment) -> None:
        self.inner = environment._libero.env
        self.data = self.inner.sim.data

    def site(self, name: str) -> np.ndarray:
        return np.array(self.data.get_site_xpos(name))

    def body(self, name: str) -> np.ndarray:
        return np.array(self.data.body_xpos[self.inner.obj_body_id[name]])

    def put(self, name: str, place_m: np.ndarray) -> None:
        joint = self.inner.objects_dict[name].joints[0]
        pose = np.array(self.data.get_joint_qpos(joint))
        pose[:3] = place_m
        self.data.set_joint_qpos(joint, pose)
        self.data.set_joint_qvel(joint, np.zeros(6))

    def on_site(self, name: str, site: str, above_m: float) -> None:
        self.put(name, self.site(site) + above_m * UP)

    def push_plate(self) -> None:
        front = self.site("main_table_stove_front_region")
        self.put(PLATE, np.append(front[:2], self.body(PLATE)[2]))


ACTS: dict[str, Callable[[Scene], None]] = {
    "put_the_bowl_on_the_plate": lambda s: s.put(BOWL, s.body(PLATE) + 0.012 * UP),
    "put_the_bowl_on_the_stove": lambda s: s.on_site(BOWL, "flat_stove_1_cook_region", 0.01),
    "put_the_bowl_on_top_of_the_cabinet": lambda s: s.on_site(BOWL, "wooden_cabinet_1_top_side", 0.01),
    "put_the_wine_bottle_on_the_rack": lambda s: s.on_site(BOTTLE, "wine_rack_1_top_region", 0.005),
    "put_the_wine_bottle_on_top_of_the_cabinet": lambda s: s.on_site(
        BOTTLE, "wooden_cabinet_1_top_side", 0.005
    ),
    "push_the_plate_to_the_front_of_the_stove": Scene.push_plate,
    "open_the_middle_drawer_of_the_cabinet": lambda s: s.data.set_joint_qpos(
        "wooden_cabinet_1_middle_level", -0.158
    ),
    "turn_on_the_stove": lambda s: s.data.set_joint_qpos("flat_stove_1_button", 1.5),
}


def probe(name: str, rows: list[LiberoTask]) -> dict[str, object]:
    """Judge all rows of one LIBERO task at its first start state, and compare both goals when it is done."""
    environment = LiberoEnvironment(rows[0].dataset, size_px=64)
    observation, _ = environment.reset(seed=0, options={"task": rows[0].number})
    environment.step(REST)
    judged = []
    for row in rows:
        environment.task = row
        verdict = environment.verdict()
        judged.append((row.dataset, row.number, verdict.goal_success, len(verdict.reasons)))
    found: dict[str, object] = {
        "task": name,
        "judged": judged,
        "state_length": (len(start_states(rows[0])[0]), len(environment._libero.get_sim_state())),
        "seen": len(observation["state"]),
    }
    if name in ACTS:
        environment.task = next(row for row in rows if row.goal.check != "beside")
        before = environment._libero.check_success()
        ACTS[name](Scene(environment))
        for _ in range(10):
            *_, info = environment.step(REST)
        verdict = info["verdict"]
        after = environment._libero.check_success()
        found["goal"] = (bool(before), bool(after), verdict.goal_success, verdict.reasons[0])
    environment.close()
    return found


def main() -> None:
    names = sorted({task.libero_task for task in LIBERO_TASKS})
    found = []
    for name in names:
        found.append(probe(name, [task for task in LIBERO_TASKS if task.libero_task == name]))
        print(found[-1], flush=True)
    print("RESULT " + json.dumps(found), flush=True)
    os._exit(0)  # robosuite's renderer cannot be torn down in order


if __name__ == "__main__":
    main()
