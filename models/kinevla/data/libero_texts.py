"""Which annotated task a LIBERO file shows: by the sentence in it, else by the one its name is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py

from kinevla.bounded import printable
from kinevla.data.packing import DataError
from kinevla.text.corpus import TaskTexts, load_task_texts
from kinevla.text.instruction import normalised

_SCENE = re.compile(r"^[A-Z_]+_SCENE\d+_")


def language(path: Path, group: h5py.Group) -> tuple[str, bool]:
    """Return the sentence of a file, and whether the file itself says it or only its name.

    Raises:
        DataError: the file's own sentence cannot be read.
    """
    if "problem_info" in group.attrs:
        try:
            spoken: Any = json.loads(group.attrs["problem_info"])["language_instruction"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path} has unreadable problem_info: {error!r}") from error
        try:
            return normalised(spoken if isinstance(spoken, str) else "".join(spoken)), True
        except TypeError as error:
            raise DataError(f"{path} has unreadable problem_info: {error}") from error
    name = _SCENE.sub("", path.stem.removesuffix("_demo")).split("_view_")[0]
    return normalised(name.replace("_", " ")), False


def find_texts(path: Path, sentence: str, spoken: bool, relabel: str, task: int | None) -> TaskTexts:
    """Return the annotated task whose goal is LIBERO's own instruction, or the one chosen by number.

    Args:
        spoken: the file holds the sentence; otherwise it is made of the file's name, which may say nothing.
        task: number chosen in it; None to find it.

    Raises:
        DataError: none fits, several do and none was chosen, or the chosen one is none or not the sentence's.
    """
    tasks = load_task_texts(relabel)
    if task is not None and (chosen := [item for item in tasks if item.number == task]):
        says_something = spoken or any(_says(sentence, item) for item in load_task_texts())
        if says_something and not _says(sentence, chosen[0]):
            raise DataError(
                f"{path} says {printable(repr(sentence))}, task {task} of {relabel} is "
                f"{chosen[0].coarse!r}: give each task's files by themselves, with their own --task"
            )
        return chosen[0]
    if task is not None:
        raise DataError(f"{path}: {relabel} has no task {task}, choose one of 1..{len(tasks)} with --task")
    fitting = [item for item in tasks if _says(sentence, item)]
    if len(fitting) != 1:
        numbers = ", ".join(str(item.number) for item in fitting) or "none"
        raise DataError(
            f"{path}: {sentence!r} fits tasks of {relabel}: {numbers}; choose one of "
            f"1..{len(tasks)} with --task"
        )
    return fitting[0]


def _says(sentence: str, task: TaskTexts) -> bool:
    """Whether a sentence is a task's goal or instruction; the paper's tables drop an article or an "of"."""
    return any(_bare(sentence) == _bare(text) for text in (task.coarse, task.instruction))


def _bare(text: str) -> list[str]:
    return [word for word in normalised(text).replace(",", "").split() if word not in ("the", "of", "a")]
