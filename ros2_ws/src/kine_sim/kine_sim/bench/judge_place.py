"""Checks of where a thing ends: goal, target, displacement, orientation, in the viewer's directions."""

from __future__ import annotations

from math import atan2, degrees, hypot, pi, radians
from typing import cast

import numpy as np

from kine_sim import layout
from kine_sim.bench.facts import Facts, Outcome, cm
from kine_sim.bench.limits import LIMITS, SIDES
from kine_sim.ik import wrap_full_turn
from kine_sim.rm75 import Array
from kine_sim.tasks import GoalRegion


def judge_goal(facts: Facts) -> Outcome:
    """Released, at rest, and moved, on the plate or beside the other, as the goal text says."""
    name, target = facts.name, facts.asked.target
    upright = float(facts.start[:3, 2] @ facts.end[:3, 2])
    if name in facts.trace.samples[-1].touched:
        return Outcome(False, f"the fingers still touch the {name}")
    if facts.end_speed_m_s > LIMITS.still_m_s:
        return Outcome(
            False,
            f"the {name} moves with {facts.end_speed_m_s * 100:.1f} cm/s; "
            f"asked: at most {LIMITS.still_m_s * 100:.0f} cm/s",
        )
    if upright < LIMITS.upright_cosine:
        return Outcome(
            False,
            f"the {name} is tipped: cosine {upright:.2f}; asked: at least {LIMITS.upright_cosine}",
        )
    if target is not None and target.relation == "plate":
        return _on_plate(facts)
    height = facts.raised_m[-1]
    if abs(height) > LIMITS.on_table_m:
        return Outcome(
            False,
            f"the {name} is {cm(height, '+')} above lying on the table; "
            f"asked: at most {cm(LIMITS.on_table_m)}",
        )
    if target is not None and target.other is not None:
        return _beside(facts, target.other)
    moved = hypot(*facts.moved_m)
    return Outcome(
        moved >= LIMITS.min_move_m,
        f"the {name} was moved {cm(moved)}; asked: at least {cm(LIMITS.min_move_m)}",
    )


def judge_target(facts: Facts) -> Outcome:
    """The place relative to plate, other thing or table."""
    target = facts.asked.target
    assert target is not None  # only what is said is judged
    if target.relation == "region":
        region = layout.TABLE_REGIONS[cast(GoalRegion, target.place.replace(" ", "_"))]
        distance = region.distance_m((float(facts.end[0, 3]), float(facts.end[1, 3])))
        return Outcome(
            distance <= region.radius_m,
            f"{cm(distance)} from the middle of the {target.place}; asked: at most {cm(region.radius_m)}",
        )
    if target.other is not None:
        return _on_side(_offset_from(facts, target.other), target.place, 0.0, f"the {target.other}")
    offset = facts.end[:2, 3] - np.array(facts.trace.plate_xy_m)
    if target.place != "middle":
        return _on_side(offset, target.place, LIMITS.plate_side_m, "the plate's middle")
    distance = hypot(*offset)
    return Outcome(
        distance <= LIMITS.plate_middle_m,
        f"{cm(distance)} from the plate's middle; asked: at most {cm(LIMITS.plate_middle_m)}",
    )


def displacement_error_m(facts: Facts) -> tuple[float, float]:
    """Return how much too far along, and how far off across (counter-clockwise of the direction positive)."""
    asked = facts.asked.displacement
    assert asked is not None  # only what is said is judged
    x, y = SIDES[asked.direction]
    along = float(facts.moved_m @ (x, y)) - asked.distance_cm / 100
    return along, float(facts.moved_m @ (-y, x))


def judge_displacement(facts: Facts) -> Outcome:
    """How far it was moved along the direction, and how far off it."""
    asked = facts.asked.displacement
    assert asked is not None  # only what is said is judged
    along, across = displacement_error_m(facts)
    share = LIMITS.distance_share * asked.distance_cm / 100
    passed = abs(along) <= LIMITS.along_m + share and abs(across) <= LIMITS.across_m + share
    return Outcome(
        passed,
        f"{along * 100 + asked.distance_cm:.1f} cm to the {asked.direction}, off by {cm(along, '+')} along "
        f"and {cm(across, '+')} across; asked: {asked.distance_cm} cm, off by at most "
        f"{(LIMITS.along_m + share) * 100:.1f} and {cm(LIMITS.across_m + share)}",
    )


def judge_orientation(facts: Facts) -> Outcome:
    """Where the long axis or the label points, or by how much it was turned."""
    asked, shape = facts.asked.orientation, facts.shape
    assert asked is not None  # only what is said is judged
    if asked.side is None:
        turned = wrap_full_turn(_heading_rad(facts.end, 0.0) - _heading_rad(facts.start, 0.0))
        error = abs(degrees(wrap_full_turn(turned - radians(asked.turn_deg))))
        return Outcome(
            error <= LIMITS.turn_deg,
            f"turned by {degrees(turned):+.0f} degrees; "
            f"asked: {asked.turn_deg:+d}, off by at most {LIMITS.turn_deg:.0f}",
        )
    offset = shape.points_rad if asked.kind == "pointing" else cast(float, shape.label_rad)
    x, y = SIDES[asked.side]
    heading = _heading_rad(facts.end, offset)
    error = abs(wrap_full_turn(heading - atan2(y, x)))
    if asked.kind == "pointing" and shape.both_ends:
        error = min(error, pi - error)
    what = "its end" if asked.kind == "pointing" else "its label"
    return Outcome(
        degrees(error) <= LIMITS.heading_deg,
        f"{what} is {degrees(error):.0f} degrees off {asked.side}; asked: at most {LIMITS.heading_deg:.0f}",
    )


def _on_plate(facts: Facts) -> Outcome:
    distance = hypot(*(facts.end[:2, 3] - np.array(facts.trace.plate_xy_m)))
    height = facts.raised_m[-1] - layout.PLATE_THICKNESS_M
    return Outcome(
        distance <= LIMITS.on_plate_m and abs(height) <= LIMITS.on_plate_height_m,
        f"the {facts.name} is {cm(distance)} from the plate's middle and {cm(height, '+')} above "
        f"lying on it; asked: at most {LIMITS.on_plate_m * 100:.1f} and {cm(LIMITS.on_plate_height_m)}",
    )


def _beside(facts: Facts, other: str) -> Outcome:
    distance = hypot(*_offset_from(facts, other))
    bound = facts.shape.radius_m + facts.trace.shapes[other].radius_m + LIMITS.beside_gap_m
    return Outcome(
        distance <= bound,
        f"the {facts.name} is {cm(distance)} from the {other}; asked: at most {cm(bound)}",
    )


def _offset_from(facts: Facts, other: str) -> Array:
    return facts.end[:2, 3] - facts.trace.samples[-1].poses[other][:2, 3]


def _on_side(offset_m: Array, side: str, least_m: float, of: str) -> Outcome:
    x, y = SIDES[side]
    along, across = float(offset_m @ (x, y)), abs(float(offset_m @ (-y, x)))
    return Outcome(
        along >= least_m and across <= LIMITS.side_share * along,
        f"{cm(along)} to the {side} of {of} and {cm(across)} off that way; asked: at least "
        f"{cm(least_m)}, and off by at most {cm(max(along, 0.0) * LIMITS.side_share)}",
    )


def _heading_rad(pose: Array, offset_rad: float) -> float:
    """Yaw of a direction of the thing's frame."""
    x, y = pose[:2, :2] @ (np.cos(offset_rad), np.sin(offset_rad))
    return atan2(y, x)
