"""Draws instructions of the language, for demonstrations, splits and tests."""

from __future__ import annotations

from collections.abc import Sequence
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

_ACROSS = {"left": ("front", "back"), "right": ("front", "back"), "front": SIDES[:2], "back": SIDES[:2]}


def draw_instruction(
    rng: np.random.Generator, things: Sequence[str] = tuple(CATALOGUE), *, attribute_share: float = 0.3
) -> Instruction:
    """Draw an instruction about things that are there; another one is what is gone around or put beside.

    Raises:
        LanguageError: no thing, or an unknown one.
    """
    if not things:
        raise LanguageError("an instruction needs a thing that is there")
    while True:
        try:
            return _drawn(rng, tuple(things), attribute_share)
        except _NoSenseError:
            continue
        except LanguageError:
            if unknown := [thing for thing in things if thing not in CATALOGUE]:
                raise LanguageError(f"the catalogue has no {unknown[0]!r}") from None


class _NoSenseError(Exception):
    """A draw that needs another thing where there is none."""


def _drawn(rng: np.random.Generator, things: tuple[str, ...], share: float) -> Instruction:
    thing = _one(rng, things)
    others = tuple(other for other in things if other != thing)
    if thing not in CATALOGUE:
        raise LanguageError(thing)
    fields: dict[str, Any] = {}
    if rng.random() < 0.4:
        low, high = DISTANCE_CM
        fields["displacement"] = Displacement(_one(rng, SIDES), int(rng.integers(low, high + 1)))
    else:
        fields["target"] = _target(rng, others)
    if rng.random() < 0.2:
        fields["contact"] = "push"
    parts = tuple(CATALOGUE[thing]["parts"])
    if parts and rng.random() < 0.5:
        fields["part"] = _one(rng, parts)
    if rng.random() < share:
        fields["path"] = _path(rng, others)
    if rng.random() < share:
        fields["orientation"] = _orientation(rng)
    if rng.random() < share:
        fields["speed"] = _one(rng, ("slow", "quick"))
    return Instruction(thing, **fields)


def _target(rng: np.random.Generator, others: tuple[str, ...]) -> Target:
    relation = _one(rng, ("plate", "plate", "beside", "region"))
    if relation == "plate":
        return Target("plate", _one(rng, (*SIDES, "middle")))
    if relation == "region":
        return Target("region", _one(rng, REGIONS))
    return Target("beside", _one(rng, SIDES), _one(rng, others))


def _path(rng: np.random.Generator, others: tuple[str, ...]) -> Path:
    kind = _one(rng, ("straight", "high", "low", "diagonal", "left around", "right around", "legs"))
    if kind == "legs":
        first = _one(rng, SIDES)
        return Path("legs", None, (first, _one(rng, _ACROSS[first])))
    return Path(kind, _one(rng, others) if kind.endswith("around") else None)


def _orientation(rng: np.random.Generator) -> Orientation:
    kind = _one(rng, ("pointing", "label", "turned"))
    if kind != "turned":
        return Orientation(kind, _one(rng, SIDES))
    turn = int(rng.choice(TURNS_DEG))
    return Orientation("turned", None, turn if turn == 180 or rng.random() < 0.5 else -turn)


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> Any:
    if not choices:
        raise _NoSenseError
    return choices[int(rng.integers(len(choices)))]
