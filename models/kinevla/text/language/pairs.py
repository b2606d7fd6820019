"""Pairs of attribute values, as 'part carrot lower' with 'target plate left', and which are held out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

import numpy as np

from kinevla.text.language.draw import draw_instruction
from kinevla.text.language.instruction import Instruction

Pair = frozenset[str]
"""Two values, each written with its attribute."""

HELD_SHARE = 0.26
_LEAVE_OUT = frozenset({"part carrot lower", "target plate left"})
_DRAWS = 30_000


def values_of(instruction: Instruction) -> tuple[str, ...]:
    """Return the attribute values that an instruction says, without other things, distances and legs.

    Picking up is no value: nearly everything is.
    """
    found = []
    if instruction.part is not None:
        found.append(f"part {instruction.thing} {instruction.part}")
    if (target := instruction.target) is not None:
        found.append(f"target {target.relation} {target.place}")
    if (moved := instruction.displacement) is not None:
        found.append(f"displacement {moved.direction}")
    if instruction.path is not None:
        found.append(f"path {instruction.path.kind}")
    if (end := instruction.orientation) is not None:
        found.append(f"orientation {end.kind} {end.side or end.turn_deg}")
    if instruction.speed is not None:
        found.append(f"speed {instruction.speed}")
    if instruction.contact == "push":
        found.append("contact push")
    return tuple(found)


def pairs_of(instruction: Instruction) -> Iterator[Pair]:
    """Yield the pairs of values that an instruction says together."""
    return (frozenset(pair) for pair in combinations(values_of(instruction), 2))


@cache
def possible_pairs() -> tuple[Pair, ...]:
    """Return every pair that the language says, in a fixed order. The rarest is drawn some ten times."""
    rng = np.random.default_rng(0)
    drawn = (draw_instruction(rng, attribute_share=0.6) for _ in range(_DRAWS))
    return tuple(sorted({pair for instruction in drawn for pair in pairs_of(instruction)}, key=sorted))


def held_pairs(rng: np.random.Generator) -> frozenset[Pair]:
    """Draw at least `HELD_SHARE` of the pairs of any two attributes, spread evenly over their values.

    Of the four pairs of the carrot's parts with the plate's left and right, the lower with the left is held
    out and the others are not.
    """
    blocks: dict[tuple[str, ...], list[Pair]] = {}
    for pair in possible_pairs():
        blocks.setdefault(tuple(sorted(value.split()[0] for value in pair)), []).append(pair)
    return frozenset().union(*(_held_of(block, rng) for block in blocks.values()))


def _held_of(block: list[Pair], rng: np.random.Generator) -> set[Pair]:
    """Hold out the pairs on drawn diagonals, each with one pair of a value at most."""
    ordered = [tuple(sorted(pair)) for pair in block]
    sides = [sorted({pair[side] for pair in ordered}) for side in (0, 1)]
    carrots = {
        frozenset({f"part carrot {part}", f"target plate {side}"})
        for part, side in product(("upper", "lower"), ("left", "right"))
    }
    while True:
        first, second = (dict(zip(names, rng.permutation(len(names)), strict=True)) for names in sides)
        width = max(len(first), len(second))
        ordered.sort(key=lambda pair: ((first[pair[0]] + second[pair[1]]) % width, first[pair[0]]))
        held = {frozenset(pair) for pair in ordered[: int(np.ceil(HELD_SHARE * len(ordered)))]}
        if _LEAVE_OUT not in block or held & carrots == {_LEAVE_OUT}:
            return held
