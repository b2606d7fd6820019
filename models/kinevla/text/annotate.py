"""Reasoning texts for new instructions of the two sentence patterns recorded on the real arm.

The wording follows the annotated tasks (paper, Table 7), which come out character for character. A sentence
outside the patterns is refused: a guessed text would teach the policy a wrong reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DIRECTIONS = ("left", "right", "front", "back", "left front", "right front", "left back", "right back")
PARTS = ("upper", "lower", "middle", "left", "right", "front", "back")
SIDES = ("left", "right", "front", "back")
_NOUN = r"[a-z]+(?: [a-z]+){0,2}?"
_MOVE = re.compile(rf"pick up the (?P<object>{_NOUN}) and move it to the (?P<region>[a-z ]+)")
_PLACE = re.compile(
    rf"hold the (?P<object>{_NOUN}) by the (?P<part>[a-z]+) part "
    rf"and place it on the (?P<side>[a-z]+) side of the (?P<place>{_NOUN})"
)
PATTERNS = (
    "pick up the OBJECT and move it to the REGION",
    "hold the OBJECT by the PART part and place it on the SIDE side of the PLACE",
)


class AnnotationError(ValueError):
    """A sentence the grammar does not cover; the text says why."""


@dataclass(frozen=True)
class Annotation:
    """The three texts of a task: instruction, goal level (coarse), kinematics level (fine)."""

    instruction: str
    coarse: str
    fine: str


def annotate(instruction: str) -> Annotation:
    """Write goal and kinematics texts for an instruction.

    Raises:
        AnnotationError: no pattern fits, or a region, part or side is unknown; the text lists the known ones.
    """
    text = " ".join(instruction.lower().split()).rstrip(".! ")
    if not text:
        raise AnnotationError("the instruction is empty")
    if match := _MOVE.fullmatch(text):
        return _move(text, **match.groupdict())
    if match := _PLACE.fullmatch(text):
        return _place(text, **match.groupdict())
    raise AnnotationError(f"{instruction!r} follows no known pattern: {'; '.join(PATTERNS)}")


def _move(instruction: str, object: str, region: str) -> Annotation:
    _one_of("region", region, DIRECTIONS)
    return Annotation(
        instruction,
        f"move the {object}",
        f"Robot Action: Trajectory Shape - To the {region}; Ordinal Relations - Pick first, then move. "
        f"Object Targeting: Target Object - The {object}; "
        f"Spatial Relation - Move it to a location ({region}).",
    )


def _place(instruction: str, object: str, part: str, side: str, place: str) -> Annotation:
    _one_of("part", part, PARTS)
    _one_of("side", side, SIDES)
    if object == place:
        raise AnnotationError(f"the {object} cannot be placed on itself")
    return Annotation(
        instruction,
        f"place the {object} in the {place}",
        f"Robot Action-level Constraint: State/Trajectory - Move {object} from held to placement pose. "
        "Ordinal Relations - Grasp first, then place. "
        f"Object-level Targeting: {object.capitalize()} - Target handle ({part} part). "
        f"{place.capitalize()} - Target surface (top side). "
        f"Spatial Relation - Final pose on the {side} side of the {place}.",
    )


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise AnnotationError(f"{what} {value!r} is unknown, choose from {', '.join(known)}")
