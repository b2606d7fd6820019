"""Which task an episode shows and how it is numbered, from texts and names alone."""

from __future__ import annotations

import hashlib

from kinevla.text.annotate import Annotation, AnnotationError, annotate
from kinevla.text.corpus import load_task_texts
from kinevla.text.instruction import normalised, tidy

# Task numbers of the real-robot tasks are those of the simulator; the other sets follow in their hundreds.
_OFFSET = {"kine_realman": 0, "libero_goal_relabeled": 100, "kine_libero": 200}
_FIRST_FREE = 1_000
_FREE = 1_000_000
_SEEDS = 100_000_000


def task_number(instruction: str, coarse: str, fine: str) -> int:
    """Return the task's number: that of the annotated task with these texts, else one from their hash.

    Training keeps one set of texts per task number, so different texts must not share a number.
    """
    for task in load_task_texts():
        if (task.instruction, task.coarse, task.fine) == (instruction, coarse, fine):
            return _OFFSET[task.dataset] + task.number
    return _FIRST_FREE + _hash(f"{instruction}\n{coarse}\n{fine}", _FREE)


def name_seed(name: str) -> int:
    """Return a number below 10^8 that stays the same for a recording's name."""
    return _hash(name, _SEEDS)


def texts_for(instruction: str, coarse: str = "", fine: str = "") -> Annotation:
    """Complete the texts of an instruction: given ones first, then the annotated tasks, then the grammar.

    Raises:
        AnnotationError: a text is missing and the instruction is in neither.
    """
    if not normalised(instruction):
        raise AnnotationError("there is no instruction: give --instruction")
    plain, coarse, fine = normalised(instruction), tidy(coarse), tidy(fine)
    if coarse and fine:
        return Annotation(plain, coarse, fine)
    for task in load_task_texts():
        if task.instruction == plain:
            return Annotation(task.instruction, coarse or task.coarse, fine or task.fine)
    found = annotate(instruction)
    return Annotation(found.instruction, coarse or found.coarse, fine or found.fine)


def _hash(text: str, bound: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % bound
