"""Says an instruction as a sentence in one of its ways, and writes its two reasoning texts.

The texts have the style of the paper's Table 7; the seven tasks of that table keep theirs to the letter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from kinevla.text.corpus import TaskTexts, load_task_texts
from kinevla.text.instruction import capital
from kinevla.text.language.instruction import CATALOGUE, Instruction, Orientation, Path, Target

FORMS: dict[str, Any] = json.loads(
    resources.files("kinevla.text.language").joinpath("phrases.json").read_text(encoding="utf-8")
)
"""Phrases by what they stand for; the first of a list is the plain way."""


def say(instruction: Instruction, rng: np.random.Generator | None = None) -> str:
    """Say an instruction in a drawn way, without a generator in the plain one."""
    thing, part = _thing(instruction.thing, rng), None
    if instruction.part is not None:
        part = _one(CATALOGUE[instruction.thing]["parts"][instruction.part], rng)
    where = _where(instruction, rng)
    path, end = _path(instruction.path, rng), _orientation(instruction.orientation, rng)
    extras = [phrase for phrase in (path, end, _speed(instruction, rng)) if phrase]
    if rng is not None:
        rng.shuffle(extras)
    if instruction.contact == "push":
        sentence = f"{_one(FORMS['push'], rng)} the {thing} {where}"
    elif rng is not None and rng.random() < 0.3:
        held = "" if part is None else ", " + _one(FORMS["held"], rng).format(part=part)
        sentence = f"{_one(FORMS['put'], rng)} the {thing} {where}{held}"
    else:
        held = "" if part is None else " " + _one(FORMS["part"], rng).format(part=part)
        verb = _one(FORMS["pick"], rng) if rng or part is None else "hold"
        put = _one(FORMS["put"], rng) if rng or _on_plate(instruction) else "move"
        sentence = f"{verb} the {thing}{held}{_one(FORMS['and'], rng)}{put} it {where}"
    polite = _one(FORMS["polite"], rng)
    return polite + ", ".join([sentence, *extras])


def write_goal(instruction: Instruction) -> str:
    """Write the goal: what, without how."""
    target = instruction.target
    if target is not None and target.relation == "plate":
        return f"place the {instruction.thing} in the plate"
    if target is not None and target.other is not None:
        return f"place the {instruction.thing} beside the {target.other}"
    return f"move the {instruction.thing}"


def write_kinematics(instruction: Instruction) -> str:
    """Write the ways, a statement for each that is said."""
    if (paper := paper_texts().get(instruction)) is not None:
        return paper.fine
    action = [f"Contact - {'Push' if instruction.contact == 'push' else 'Pick up'}"]
    if instruction.path is not None:
        action.append(f"Trajectory Shape - {capital(_path(instruction.path, None))}")
    if instruction.speed is not None:
        action.append(f"Speed - {capital(_speed(instruction, None))}")
    aim = [f"Target Object - The {instruction.thing}"]
    if instruction.part is not None:
        aim.append(f"Target Part - The {instruction.part}")
    aim.append(f"Spatial Relation - {capital(_where(instruction, None))}")
    if instruction.orientation is not None:
        aim.append(f"Final Orientation - {capital(_orientation(instruction.orientation, None))}")
    return f"Robot Action: {'; '.join(action)}. Object Targeting: {'; '.join(aim)}."


@cache
def paper_texts() -> dict[Instruction, TaskTexts]:
    """The seven tasks of the paper's real arm as instructions of the language, with their texts."""
    from kinevla.text.language.parse import parse_sentence

    return {parse_sentence(task.instruction): task for task in load_task_texts("kine_realman")}


def number_words(number: int, rng: np.random.Generator | None) -> str:
    """Return a number in digits or, drawn, in words where it has one."""
    words: list[str] = FORMS["numbers"]
    return words[number] if rng is not None and number < len(words) and rng.random() < 0.4 else str(number)


def _on_plate(instruction: Instruction) -> bool:
    return instruction.target is not None and instruction.target.relation != "region"


def _where(instruction: Instruction, rng: np.random.Generator | None) -> str:
    if (moved := instruction.displacement) is not None:
        phrase = _one(FORMS["displacement"][moved.direction], rng)
        return phrase.format(n=number_words(moved.distance_cm, rng))
    target = instruction.target
    assert isinstance(target, Target)
    phrase = _one(FORMS[target.relation][target.place], rng)
    return phrase.format(other=target.other and _thing(target.other, rng))


def _path(path: Path | None, rng: np.random.Generator | None) -> str:
    if path is None:
        return ""
    a, b = path.legs or ("", "")
    other = path.other and _thing(path.other, rng)
    return _one(FORMS["path"][path.kind], rng).format(other=other, a=a, b=b)


def _orientation(orientation: Orientation | None, rng: np.random.Generator | None) -> str:
    if orientation is None:
        return ""
    if orientation.kind != "turned":
        return _one(FORMS[orientation.kind], rng).format(side=orientation.side)
    sense = "around" if orientation.turn_deg == 180 else "left" if orientation.turn_deg > 0 else "right"
    return _one(FORMS["turned"][sense], rng).format(n=abs(orientation.turn_deg))


def _speed(instruction: Instruction, rng: np.random.Generator | None) -> str:
    return "" if instruction.speed is None else _one(FORMS["speed"][instruction.speed], rng)


def _thing(name: str, rng: np.random.Generator | None) -> str:
    return _one(CATALOGUE[name]["words"], rng)


def _one(choices: Sequence[str], rng: np.random.Generator | None) -> str:
    return choices[0] if rng is None else choices[int(rng.integers(len(choices)))]
