"""Other ways to say what the sentences of a data set mean, where they are of the language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from kinevla.text.language.instruction import (
    CATALOGUE,
    DISTANCE_CM,
    REGIONS,
    SIDES,
    TURNS_DEG,
    Displacement,
    Instruction,
    LanguageError,
    Orientation,
    Path,
    Target,
)
from kinevla.text.language.parse import parse_sentence, parse_texts
from kinevla.text.language.say import paper_texts, say, write_goal, write_kinematics

_SHAPES: tuple[Any, ...] = ("straight", "high", "low", "diagonal")
_HEAD = "Robot Action: Contact - "
"""How `write_kinematics` begins, but for the seven tasks of the paper."""
_AROUND: tuple[Any, ...] = ("left around", "right around")
_ENDS: tuple[Any, ...] = ("pointing", "label")


def of_language(texts: Sequence[tuple[str, str, str]]) -> bool:
    """Say whether all goal and kinematics texts are of the language, and more than the paper's seven tasks.

    Of thousands of texts one is parsed; the others are told by how they begin.
    """
    paper = {(task.coarse, task.fine) for task in paper_texts().values()}
    pairs = {(goal, kinematics) for _, goal, kinematics in texts} - paper
    return (
        bool(pairs) and all(kinematics.startswith(_HEAD) for _, kinematics in pairs) and _parses(*min(pairs))
    )


def other_wording(sentence: str, number: int) -> str:
    """Return a numbered way to say what a sentence means; 0 is the sentence itself, as is any of others."""
    if number == 0:
        return sentence
    try:
        instruction = understood(sentence)
    except LanguageError:
        return sentence
    return say(instruction, np.random.default_rng([number, len(sentence)]))


@lru_cache(maxsize=1 << 14)
def understood(sentence: str) -> Instruction:
    """`parse_sentence`, which is remembered."""
    return parse_sentence(sentence)


def every_text() -> Iterator[str]:
    """Yield texts that hold every word the language writes."""
    for thing in CATALOGUE:
        for fields in _every_value(thing):
            try:
                instruction = Instruction(thing, **fields)
            except LanguageError:
                continue
            yield from (write_goal(instruction), write_kinematics(instruction))


def _every_value(thing: str) -> Iterator[dict[str, Any]]:
    where = {"target": Target("region", REGIONS[0])}
    other = next(name for name in CATALOGUE if name != thing)
    yield from ({"target": Target("plate", place)} for place in (*SIDES, "middle"))
    yield from ({"target": Target("region", place)} for place in REGIONS)
    for place, name in product(SIDES, CATALOGUE):
        yield {"target": Target("beside", place, name)}
    for side, distance in product(SIDES, range(DISTANCE_CM[0], DISTANCE_CM[1] + 1)):
        yield {"displacement": Displacement(side, distance)}
    yield from ({**where, "part": part} for part in CATALOGUE[thing]["parts"])
    for kind in _SHAPES:
        yield {**where, "path": Path(kind)}
    for kind in _AROUND:
        yield {**where, "path": Path(kind, other)}
    yield from (
        {**where, "path": Path("legs", None, legs)} for legs in (("left", "front"), ("back", "right"))
    )
    for kind, side in product(_ENDS, SIDES):
        yield {**where, "orientation": Orientation(kind, side)}
    for turn, sense in product(TURNS_DEG, (1, -1)):
        if turn * sense != -180:
            yield {**where, "orientation": Orientation("turned", None, turn * sense)}
    yield from ({**where, "speed": speed} for speed in ("slow", "quick"))
    yield {**where, "contact": "push"}


def _parses(goal: str, kinematics: str) -> bool:
    try:
        parse_texts(goal, kinematics)
    except LanguageError:
        return False
    return True
