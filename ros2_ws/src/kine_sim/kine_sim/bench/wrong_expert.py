"""Single mistakes: instructions that differ in one attribute, and who is blamed when the expert follows them.

A trial told the mistake and judged by the original must fail in that attribute and in no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from kine_sim.bench.judge import ATTRIBUTES, Attribute, BenchVerdict, said
from kine_sim.bench.limits import LIMITS
from kinevla.text.language import Displacement, Instruction, LanguageError, Orientation, Path
from kinevla.text.language.instruction import CATALOGUE, DISTANCE_CM, REGIONS, SIDES, TURNS_DEG

_LEGS = [(a, b) for a in SIDES for b in SIDES if (a in SIDES[:2]) != (b in SIDES[:2])]
_BLAMED = ("goal", *ATTRIBUTES)


def mistakes(instruction: Instruction, attribute: Attribute) -> tuple[Instruction, ...]:
    """Return the instructions that differ in one attribute so that its bound must catch it, nearest first.

    The nearest that the scene allows is the mistake to make. There is none where the language has no other
    value.

    Args:
        instruction: what is asked.
        attribute: one that it says.

    Raises:
        ValueError: the instruction does not say the attribute.
    """
    if attribute not in said(instruction):
        raise ValueError(f"{attribute} is none of what is said: {', '.join(said(instruction))}")
    return tuple(_sensible(instruction, attribute, _values(instruction, attribute)))


@dataclass
class Confusion:
    """Who is blamed for which mistake.

    Attributes:
        judged: trials by mistake ('goal' for none) and by what was judged, (8, 8): goal, then attributes.
        blamed: how many of them failed, (8, 8).
    """

    judged: np.ndarray = field(default_factory=lambda: np.zeros((8, 8), dtype=int))
    blamed: np.ndarray = field(default_factory=lambda: np.zeros((8, 8), dtype=int))

    def add(self, mistake: Attribute | None, verdict: BenchVerdict) -> None:
        """Count a trial.

        Raises:
            ValueError: the mistake is in something that was not judged.
        """
        if mistake is not None and mistake not in verdict.attributes:
            raise ValueError(f"a mistake in {mistake}, but judged were {', '.join(verdict.attributes)}")
        row = _BLAMED.index(mistake or "goal")
        for name, outcome in [("goal", verdict.goal), *verdict.attributes.items()]:
            column = _BLAMED.index(name)
            self.judged[row, column] += 1
            self.blamed[row, column] += not outcome.passed

    def caught(self) -> tuple[int, int]:
        """Return mistakes that were blamed, and all mistakes."""
        diagonal = np.arange(1, len(_BLAMED))
        return int(self.blamed[diagonal, diagonal].sum()), int(self.judged[diagonal, diagonal].sum())

    def falsely_blamed(self) -> tuple[int, int]:
        """Return attributes and goals blamed that were done as told, and all that were."""
        others = ~np.eye(len(_BLAMED), dtype=bool)
        others[0, 0] = True
        return int(self.blamed[others].sum()), int(self.judged[others].sum())

    def table(self) -> str:
        """Write a row for each mistake, a column for what was blamed, as failed/judged."""
        lines = ["mistake \\ blamed " + "".join(f"{name:>14}" for name in _BLAMED)]
        for row, name in enumerate(_BLAMED):
            cells = [
                f"{self.blamed[row, column]}/{self.judged[row, column]}" if self.judged[row, column] else "-"
                for column in range(len(_BLAMED))
            ]
            lines.append(f"{'none' if row == 0 else name:<17}" + "".join(f"{cell:>14}" for cell in cells))
        return "\n".join(lines)


def confusion(trials: Iterable[tuple[Attribute | None, BenchVerdict]]) -> Confusion:
    """Count trials: the attribute in which each was told wrong (None: told right), and its verdict."""
    counted = Confusion()
    for mistake, verdict in trials:
        counted.add(mistake, verdict)
    return counted


def _sensible(
    instruction: Instruction, attribute: Attribute, values: Iterable[object]
) -> Iterator[Instruction]:
    for value in values:
        try:
            yield replace(instruction, **{attribute: value})  # type: ignore[arg-type]
        except LanguageError:
            continue


def _values(asked: Instruction, attribute: Attribute) -> Iterator[object]:
    if attribute == "part":
        yield from (part for part in CATALOGUE[asked.thing]["parts"] if part != asked.part)
    elif attribute == "speed":
        yield "quick" if asked.speed == "slow" else "slow"
    elif attribute == "contact":
        yield "push" if asked.contact == "pick" else "pick"
    elif asked.target is not None and attribute == "target":
        places = {"plate": (*SIDES, "middle"), "beside": SIDES, "region": REGIONS}[asked.target.relation]
        yield from (replace(asked.target, place=place) for place in places if place != asked.target.place)
    elif asked.displacement is not None and attribute == "displacement":
        yield from _displacements(asked.displacement)
    elif asked.orientation is not None and attribute == "orientation":
        yield from _orientations(asked.orientation)
    elif asked.path is not None:
        yield from _paths(asked.path)


def _displacements(asked: Displacement) -> Iterator[Displacement]:
    """Other distances a centimetre beyond the bound, then other directions."""
    bound_cm = 100 * LIMITS.along_m + LIMITS.distance_share * asked.distance_cm
    step = ceil(bound_cm + 1.0)
    low, high = DISTANCE_CM
    for distance in (asked.distance_cm - step, asked.distance_cm + step):
        if low <= distance <= high:
            yield replace(asked, distance_cm=distance)
    yield from (replace(asked, direction=side) for side in SIDES if side != asked.direction)


def _orientations(asked: Orientation) -> Iterator[Orientation]:
    """The nearest other turns, or the sides across: a loaf points to two opposite ones at once."""
    if asked.side is not None:
        across = SIDES[2:] if asked.side in SIDES[:2] else SIDES[:2]
        yield from (replace(asked, side=side) for side in across)
        return
    turns = {sign * turn for turn in TURNS_DEG for sign in (1, -1)} - {asked.turn_deg, -180}
    for turn in sorted(turns, key=lambda turn: (abs((turn - asked.turn_deg + 180) % 360 - 180), turn)):
        yield replace(asked, turn_deg=turn)


def _paths(asked: Path) -> Iterator[Path]:
    """Ways that the asked one never is: one that is high or passes something may be straight as well."""
    if asked.kind in ("high", "low"):
        yield Path("low" if asked.kind == "high" else "high")
    elif asked.other is not None:
        yield replace(asked, kind="right around" if asked.kind == "left around" else "left around")
    elif asked.kind == "legs":
        yield Path("legs", None, asked.legs[::-1])
        yield Path("straight")
    else:
        yield from (Path("legs", None, legs) for legs in _LEGS)
