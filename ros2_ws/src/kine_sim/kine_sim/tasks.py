"""The seven Kine-Realman tasks of the paper, with what the simulator needs to stage and judge them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

ObjectName = Literal["bread", "carrot"]
Part = Literal["upper", "lower"]
GoalRegion = Literal["left_front", "right_front", "front", "plate_left", "plate_right"]


@dataclass(frozen=True)
class Task:
    """One task: the sentence, its coarse and fine reasoning texts, and its ground truth.

    Attributes:
        number: 1..7, the number in the paper's Table 7.
        instruction: the sentence a user says.
        coarse: goal-level text.
        fine: kinematics-level text.
        object: what has to be moved.
        part: which part of the object to hold, None where the task does not say.
        goal_region: where it goes, in the frame of the viewer at the front camera.
    """

    number: int
    instruction: str
    coarse: str
    fine: str
    object: ObjectName
    part: Part | None
    goal_region: GoalRegion


def _load() -> tuple[Task, ...]:
    text = (files("kine_sim") / "data" / "kine_realman_tasks.json").read_text(encoding="utf-8")
    return tuple(Task(**row) for row in json.loads(text)["tasks"])


TASKS: tuple[Task, ...] = _load()
"""Tasks 1..7. Texts: KineVLA, arXiv:2603.17524, CC BY 4.0."""


def task_by_number(number: int) -> Task:
    """Return the task with this number; ValueError names the known numbers otherwise."""
    for task in TASKS:
        if task.number == number:
            return task
    raise ValueError(f"task {number!r} is unknown: choose one of {[task.number for task in TASKS]}")
