"""The 48 annotated tasks of the paper: instruction, goal-level and kinematics-level reasoning.

Source: KineVLA, arXiv 2603.17524, Tables 5-7, CC BY 4.0 (the notice travels in `task_texts.json`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

PROMPT_HEAD = "In: What action should the robot take to "
PROMPT_TAIL = "?\nOut:"

# Headings of the annotation scheme. They are fixed wording, so each is one token of the nano vocabulary:
# a fine reasoning text then costs about 40 positions instead of 65.
FIELD_LABELS: tuple[str, ...] = (
    "Robot Action-level Constraint:", "Robot Action:", " Object-level Targeting:", " Object Targeting:",
    " State/Trajectory", " Trajectory Shape", " Trajectory shape", " Contact Timing", " Contact timing",
    " Ordinal Relations", " Ordinal relations", " Spatial Relation", " Spatial relation", " Target Object",
    " Target Part", " Target part", " Pose/Facing/Angle", " Handle/Edge/Surface",
)  # fmt: skip


@dataclass(frozen=True)
class TaskTexts:
    """The three texts of one task."""

    dataset: str  # 'libero_goal_relabeled', 'kine_libero' or 'kine_realman'
    number: int  # task number within its data set, from 1
    instruction: str  # sentence given to the robot
    coarse: str  # goal-level reasoning
    fine: str  # kinematics-level reasoning


@cache
def load_task_texts(dataset: str | None = None) -> tuple[TaskTexts, ...]:
    """Return the annotated tasks, all 48 or those of one data set.

    Raises:
        ValueError: no task belongs to `dataset`.
    """
    content = resources.files("kinevla.text").joinpath("task_texts.json").read_text(encoding="utf-8")
    tasks = tuple(TaskTexts(**item) for item in json.loads(content)["tasks"])
    if dataset is None:
        return tasks
    chosen = tuple(task for task in tasks if task.dataset == dataset)
    if not chosen:
        names = sorted({task.dataset for task in tasks})
        raise ValueError(f"dataset {dataset!r} has no annotated tasks, choose from {', '.join(names)}")
    return chosen
