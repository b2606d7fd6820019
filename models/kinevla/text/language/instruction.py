"""What a sentence of the language asks for, taken apart: a goal, and any subset of the ways to reach it.

Directions are those of the person who stands at the front camera. What an instruction leaves open is free.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

Side = Literal["left", "right", "front", "back"]
SIDES: tuple[Side, ...] = get_args(Side)
Contact = Literal["pick", "push"]
PathKind = Literal["straight", "high", "low", "diagonal", "left around", "right around", "legs"]
Speed = Literal["slow", "quick"]
REGIONS = ("left front", "right front", "front")
DISTANCE_CM = (4, 20)
TURNS_DEG = (45, 90, 180)

CATALOGUE: dict[str, dict[str, Any]] = json.loads(
    resources.files("kinevla.text.language").joinpath("catalogue.json").read_text(encoding="utf-8")
)
"""The things by name: words for them and their parts, whether they are long, whether they have a label."""


class LanguageError(ValueError):
    """An instruction that the language cannot mean; the text says why."""


@dataclass(frozen=True)
class Target:
    """Where a thing ends, relative to something."""

    relation: Literal["plate", "beside", "region"]
    place: str  # on the plate a side or 'middle'; beside a thing a side of it; otherwise one of `REGIONS`
    other: str | None = None  # the thing beside which, else None

    def __post_init__(self) -> None:
        places = {"plate": (*SIDES, "middle"), "beside": SIDES, "region": REGIONS}
        if self.relation not in places:
            raise LanguageError(f"relation {self.relation!r} is none of {', '.join(places)}")
        _known("place", self.place, places[self.relation])
        if (self.relation == "beside") != (self.other is not None):
            raise LanguageError(f"{self.relation!r} and the other thing {self.other!r} do not go together")
        if self.other is not None:
            _known("thing", self.other, tuple(CATALOGUE))


@dataclass(frozen=True)
class Displacement:
    """How far a thing is moved from where it is."""

    direction: Side
    distance_cm: int  # whole centimetres within `DISTANCE_CM`

    def __post_init__(self) -> None:
        _known("direction", self.direction, SIDES)
        low, high = DISTANCE_CM
        if not low <= self.distance_cm <= high:
            raise LanguageError(f"a distance must lie in {low}..{high} cm, got {self.distance_cm}")


@dataclass(frozen=True)
class Path:
    """The way a thing takes."""

    # 'straight', 'high' (lifted high over), 'low', 'diagonal', 'left around' and 'right around' another
    # thing, or 'legs' (first one way, then another)
    kind: PathKind
    other: str | None = None  # what is gone around, else None
    legs: tuple[Side, ...] = ()  # the two directions of 'legs', else empty

    def __post_init__(self) -> None:
        _known("path", self.kind, get_args(PathKind))
        if self.kind.endswith("around") != (self.other is not None):
            raise LanguageError(f"path {self.kind!r} and the other thing {self.other!r} do not go together")
        if self.other is not None:
            _known("thing", self.other, tuple(CATALOGUE))
        across = {"left": "x", "right": "x", "front": "y", "back": "y"}
        if self.kind == "legs":
            if len(self.legs) != 2 or across[self.legs[0]] == across[self.legs[1]]:
                raise LanguageError(f"two legs must lie across each other, got {self.legs}")
        elif self.legs:
            raise LanguageError(f"path {self.kind!r} has no legs, got {self.legs}")


@dataclass(frozen=True)
class Orientation:
    """How a thing lies at the end."""

    # 'pointing' (its long axis), 'label' (faces), or 'turned' (from how it lay)
    kind: Literal["pointing", "label", "turned"]
    side: Side | None = None  # of 'pointing' and 'label', else None
    turn_deg: int = 0  # of 'turned', one of `TURNS_DEG`, counter-clockwise positive seen from above; else 0

    def __post_init__(self) -> None:
        if self.kind == "turned":
            if abs(self.turn_deg) not in TURNS_DEG or self.side is not None or self.turn_deg == -180:
                raise LanguageError(
                    f"a turn must be one of {TURNS_DEG} degrees either way, got {self.turn_deg}"
                )
        elif self.kind not in ("pointing", "label") or self.turn_deg:
            raise LanguageError(f"orientation {self.kind!r} with a turn of {self.turn_deg} degrees")
        else:
            _known("side", self.side, SIDES)


@dataclass(frozen=True)
class Instruction:
    """A goal, and what is said about the way.

    Raises:
        LanguageError: things that do not go together.
    """

    thing: str  # what is moved, a name of `CATALOGUE`
    target: Target | None = None  # where to; this or a displacement
    displacement: Displacement | None = None  # how far; this or a target
    part: str | None = None  # which part is held, None where it is free
    contact: Contact = "pick"  # 'pick' lifts it, 'push' does not
    path: Path | None = None  # the way, None where it is free
    orientation: Orientation | None = None  # at the end, None where it is free
    speed: Speed | None = None  # 'slow' or 'quick', None where it is free

    def __post_init__(self) -> None:
        _known("thing", self.thing, tuple(CATALOGUE))
        kind = CATALOGUE[self.thing]
        if (self.target is None) == (self.displacement is None):
            raise LanguageError("an instruction needs a target or a displacement, and not both")
        if self.part is not None:
            _known(f"part of the {self.thing}", self.part, tuple(kind["parts"]))
        _known("contact", self.contact, get_args(Contact))
        if self.speed is not None:
            _known("speed", self.speed, get_args(Speed))
        others = {self.target.other if self.target else None, self.path.other if self.path else None}
        if self.thing in others:
            raise LanguageError(f"the {self.thing} cannot be moved in relation to itself")
        if self.contact == "push":
            if self.part is not None or (self.target is not None and self.target.relation == "plate"):
                raise LanguageError("what is pushed is not held by a part, and does not come onto the plate")
            if self.path is not None and self.path.kind in ("high", "low"):
                raise LanguageError("what is pushed is not lifted")
        if self.displacement is not None and self.path is not None and self.path.kind in ("diagonal", "legs"):
            raise LanguageError("a displacement goes one way")
        if self.path is not None and self.path.other is not None:
            sideways = self.displacement is not None and self.displacement.direction in ("left", "right")
            ends = self.target is not None and self.target.other == self.path.other
            if sideways or (ends and self.target and self.target.place in ("left", "right")):
                raise LanguageError(
                    f"what goes sideways or ends beside the {self.path.other} does not pass it"
                )
        if self.orientation is not None:
            if self.orientation.kind == "pointing" and not kind["long"]:
                raise LanguageError(f"the {self.thing} points nowhere")
            if self.orientation.kind == "label" and not kind["label"]:
                raise LanguageError(f"the {self.thing} has no label")


def _known(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise LanguageError(f"{name} must be one of {', '.join(choices) or 'none'}, got {value!r}")
