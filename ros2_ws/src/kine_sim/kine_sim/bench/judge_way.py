"""Checks of how a thing gets there: part, contact, path, speed. Directions are the viewer's."""

from __future__ import annotations

from itertools import pairwise
from math import hypot

import numpy as np

from kine_sim.bench.carry import Carry
from kine_sim.bench.facts import Facts, Outcome, cm
from kine_sim.bench.limits import LIMITS, SIDES
from kine_sim.rm75 import Array


def judge_part(facts: Facts) -> Outcome:
    """The part nearest to what was between the fingers."""
    asked, carry = facts.asked.part, facts.carry
    assert asked is not None  # only what is said is judged
    if carry is None or carry.grip is None:
        return Outcome(False, f"no part of the {facts.name} was held; asked: the {asked}")
    point = np.array(carry.grip.at_m)
    if facts.shape.round:  # its parts are the viewer's, so turn the point as the thing lay
        point = facts.start[:3, :3] @ point
    away = {part: float(np.linalg.norm(point - middle)) for part, middle in facts.shape.parts.items()}
    other = min((part for part in away if part != asked), key=away.__getitem__)
    margin = away[other] - away[asked]
    return Outcome(
        margin >= LIMITS.part_margin_m,
        f"held {cm(away[asked])} from the {asked} and {cm(away[other])} from the {other}; "
        f"asked: the {asked}, nearer by at least {cm(LIMITS.part_margin_m)}",
    )


def judge_contact(facts: Facts) -> Outcome:
    """Picked up before it went anywhere, or pushed without being lifted."""
    carry, apex = facts.carry, float(facts.raised_m.max())
    if carry is None:
        return Outcome(False, f"the {facts.name} was never moved; asked: {facts.asked.contact}")
    if facts.asked.contact == "push":
        return Outcome(
            apex <= LIMITS.push_lift_m,
            f"raised by {cm(apex)}; asked: pushed, at most {cm(LIMITS.push_lift_m)}",
        )
    if carry.grip is None:
        return Outcome(
            False,
            f"raised by {cm(apex)} between both fingers at no time; "
            f"asked: picked up, at least {cm(LIMITS.lift_m)}",
        )
    return Outcome(
        carry.slid_m <= LIMITS.max_slide_m,
        f"slid {cm(carry.slid_m)} before it was lifted; asked: picked up, at most {cm(LIMITS.max_slide_m)}",
    )


def judge_speed(facts: Facts) -> Outcome:
    """How fast it went along its way."""
    asked, carry = facts.asked.speed, facts.carry
    assert asked is not None  # only what is said is judged
    if carry is None:
        return Outcome(False, f"the {facts.name} was never moved; asked: {asked}")
    slow = asked == "slow"
    bound = LIMITS.slow_m_s if slow else LIMITS.quick_m_s
    speed = carry.speed_m_s
    return Outcome(
        speed > 0.0 and (speed <= bound if slow else speed >= bound),
        f"went with {speed * 100:.1f} cm/s; asked: {asked}, at {'most' if slow else 'least'} "
        f"{bound * 100:.0f} cm/s",
    )


def judge_path(facts: Facts) -> Outcome:
    """The way of what was held, seen from above, or its height."""
    path, carry = facts.asked.path, facts.carry
    assert path is not None  # only what is said is judged
    if carry is None:
        return Outcome(False, f"the {facts.name} was never moved; asked: {path.kind}")
    if path.kind in ("high", "low"):
        return _height(facts, path.kind)
    if path.kind == "legs":
        return _legs(carry, path.legs)
    if path.other is not None:
        others = np.array([sample.poses[path.other][:2, 3] for sample in facts.trace.samples])
        times = np.array([sample.time_s for sample in facts.trace.samples])
        there = others[np.isin(times, carry.time_s)]
        return _passes(carry, there, path.kind.split()[0], path.other)
    return _straight(carry, diagonal=path.kind == "diagonal")


def _height(facts: Facts, asked: str) -> Outcome:
    apex, high = float(facts.raised_m.max()), asked == "high"
    bound = LIMITS.high_m if high else LIMITS.low_m
    return Outcome(
        apex >= bound if high else apex <= bound,
        f"raised by {cm(apex)}; asked: {asked}, at {'least' if high else 'most'} {cm(bound)}",
    )


def _straight(carry: Carry, diagonal: bool) -> Outcome:
    way = carry.way_m[:, :2]
    whole = way[-1] - way[0]
    stray = _stray_m(way, way[[0, -1]])
    short, long = sorted(abs(whole))
    share = float(short / long) if long > 0 else 0.0
    told = f"strayed {cm(stray)} from the straight way; asked: at most {cm(LIMITS.straight_m)}"
    if diagonal:
        told += f"; its components are as {share:.2f} to 1; asked: at least {LIMITS.diagonal_share}"
    return Outcome(stray <= LIMITS.straight_m and (not diagonal or share >= LIMITS.diagonal_share), told)


def _legs(carry: Carry, legs: tuple[str, ...]) -> Outcome:
    way = carry.way_m[:, :2]
    first, second = (np.array(SIDES[side]) for side in legs)
    whole = way[-1] - way[0]
    lengths = (float(whole @ first), float(whole @ second))
    corner = way[0] + lengths[0] * first
    stray = _stray_m(way, np.array([way[0], corner, way[-1]]))
    return Outcome(
        min(lengths) >= LIMITS.min_leg_m and stray <= LIMITS.legs_m,
        f"{cm(lengths[0])} to the {legs[0]} and {cm(lengths[1])} to the {legs[1]}, strayed "
        f"{cm(stray)} from first {legs[0]} then {legs[1]}; asked: each leg at least "
        f"{cm(LIMITS.min_leg_m)}, strayed at most {cm(LIMITS.legs_m)}",
    )


def _passes(carry: Carry, other_m: Array, side: str, other: str) -> Outcome:
    """The way crosses the line through the other thing that runs from left to right, on the asked side."""
    offset = carry.way_m[:, :2] - other_m
    asked = f"asked: past the {other} on its {side}, at least {cm(LIMITS.pass_m)} from its middle"
    crossed = np.flatnonzero(np.diff(np.sign(offset[:, 0])))
    if len(crossed) == 0:
        return Outcome(False, f"did not pass the {other} from front to back or back to front; {asked}")
    ahead, behind = offset[crossed, 0], offset[crossed + 1, 0]
    share = ahead / (ahead - behind)
    at = offset[crossed, 1] + share * (offset[crossed + 1, 1] - offset[crossed, 1])
    aside = float((at * SIDES[side][1]).min())
    word = side if aside > 0 else {"left": "right", "right": "left"}[side]
    return Outcome(aside >= LIMITS.pass_m, f"passed {cm(abs(aside))} {word} of the {other}'s middle; {asked}")


def _stray_m(way_m: Array, line_m: Array) -> float:
    """Return the largest distance of a way's points (N, 2) from a polyline (K, 2)."""
    pieces = []
    for start, end in pairwise(line_m):
        length = hypot(*(end - start))
        unit = (end - start) / length if length > 0 else np.zeros(2)
        along = np.clip((way_m - start) @ unit, 0.0, length)
        pieces.append(np.linalg.norm(way_m - start - along[:, None] * unit, axis=1))
    return float(np.min(pieces, axis=0).max())
