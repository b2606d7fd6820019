"""Reasoning texts of known tasks, to fill in what the operator left empty."""

from __future__ import annotations

from kinevla.text.corpus import load_task_texts
from kinevla.text.instruction import normalised


def known_texts() -> dict[str, tuple[str, str]]:
    """Normalised instruction -> (goal text, kinematics text)."""
    return {normalised(task.instruction): (task.coarse, task.fine) for task in load_task_texts()}


def fill(instruction: str, goal: str, kinematics: str, known: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Goal and kinematics text: the operator's where given, else those of the known task, else empty."""
    coarse, fine = known.get(normalised(instruction), ("", ""))
    return goal or coarse, kinematics or fine
