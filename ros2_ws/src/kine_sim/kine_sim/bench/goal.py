"""Where a thing is to end, as poses to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, pi, radians
from typing import cast

from kine_sim import layout
from kine_sim.bench.limits import SIDES
from kine_sim.bench.table import Laid, Table
from kine_sim.ik import wrap_full_turn, wrap_half_turn
from kine_sim.tasks import GoalRegion
from kinevla.text.language import Instruction
from kinevla.text.language.instruction import CATALOGUE

PLATE_SIDE_M = 0.038
"""How far from the plate's middle a side is meant; the widest thing still stands on the plate there."""
BESIDE_GAPS_M = (0.025, 0.045)


@dataclass(frozen=True)
class Goal:
    """One way for a thing to end.

    Attributes:
        xy_m: its middle.
        turn_rad: how far it is turned from how it lay, counter-clockwise.
        on_plate: it ends on the plate.
    """

    xy_m: tuple[float, float]
    turn_rad: float
    on_plate: bool = False


def goals(asked: Instruction, table: Table) -> list[Goal]:
    """Return ways to end as asked, the plain one first.

    Args:
        asked: what was said.
        table: how everything lay at the start.
    """
    laid = table.things[asked.thing]
    turn = _turn_rad(asked, laid)
    if (moved := asked.displacement) is not None:
        x, y = SIDES[moved.direction]
        way = moved.distance_cm / 100
        return [Goal((laid.xy_m[0] + x * way, laid.xy_m[1] + y * way), turn)]
    target = asked.target
    assert target is not None  # an instruction has one of both
    if target.relation == "region":
        return [Goal(layout.TABLE_REGIONS[cast(GoalRegion, target.place.replace(" ", "_"))].centre_m, turn)]
    if target.other is None:
        x, y = SIDES.get(target.place, (0.0, 0.0))
        plate = table.plate_xy_m
        return [Goal((plate[0] + PLATE_SIDE_M * x, plate[1] + PLATE_SIDE_M * y), turn, True)]
    return _beside(asked, laid, table.things[target.other], turn)


def _beside(asked: Instruction, laid: Laid, other: Laid, turn: float) -> list[Goal]:
    target = asked.target
    assert target is not None
    x, y = SIDES[target.place]
    side = atan2(y, x)
    reach = other.thing.extent_m(side - other.yaw_rad)
    reach += laid.thing.extent_m(side + pi - laid.yaw_rad - turn)
    return [
        Goal((other.xy_m[0] + x * (reach + gap), other.xy_m[1] + y * (reach + gap)), turn)
        for gap in BESIDE_GAPS_M
    ]


def _turn_rad(asked: Instruction, laid: Laid) -> float:
    kind, end = laid.thing, asked.orientation
    if end is None:
        target = asked.target
        lies_across = target is not None and target.relation == "plate" and target.place != "middle"
        if not (lies_across and CATALOGUE[kind.name]["long"]):
            return 0.0
        # A long thing has room on a side of the plate along the line that parts the sides.
        assert target is not None
        return wrap_half_turn((0.0 if target.place in ("left", "right") else pi / 2) - laid.yaw_rad)
    if end.side is None:
        return radians(end.turn_deg)
    x, y = SIDES[end.side]
    front = kind.label_rad if end.kind == "label" else kind.points_rad
    turn = atan2(y, x) - laid.yaw_rad - (front or 0.0)
    return wrap_half_turn(turn) if end.kind == "pointing" and kind.both_ends else wrap_full_turn(turn)
