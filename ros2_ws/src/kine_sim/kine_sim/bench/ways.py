"""The ways between where a thing is lifted and where it is lowered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import pi

import numpy as np

from kine_sim import rm75
from kine_sim.bench.limits import SIDES
from kine_sim.bench.motion import Step, lever_point_m
from kine_sim.bench.table import Laid, Table
from kine_sim.expert import Waypoint
from kinevla.text.language import Instruction

MIN_LEG_M = 0.05
MIN_DIAGONAL_SHARE = 0.62
MIN_PASSED_M = 0.015
"""A way that passes a thing begins and ends so far before and behind its middle."""
PASS_GAP_M = (0.018, 0.030)
SLOW_M_S = 0.08
QUICK_M_S = 0.40
_SLACK_M = 0.05
_MIN_TURN_RAD = 0.05


class PlanError(ValueError):
    """What is asked cannot be done from how things lie; the text says why."""


def carry_ways(
    asked: Instruction, table: Table, start: Waypoint, end: Waypoint, lever_m: tuple[float, float]
) -> list[list[Step]]:
    """Return ways from `start` to `end` as asked, the plain one first.

    Args:
        asked: what was said.
        table: how everything lies now.
        start: tool where the way begins.
        end: tool where it ends.
        lever_m: the point of the gripper's frame that goes the way.

    Raises:
        PlanError: start and end lie so that there is no such way.
    """
    turn = end.yaw_rad - start.yaw_rad
    spin: list[Step] = []
    if asked.speed == "quick" and abs(turn) > _MIN_TURN_RAD:
        # Turning takes longer than a quick way: it is done where the thing is lifted. A lever stays in place.
        turned = Waypoint(start.tool_m, end.yaw_rad, start.opening)
        pivot = lever_point_m(start, lever_m) - lever_point_m(turned, lever_m)
        turned = replace(turned, tool_m=start.tool_m + pivot)
        spin, start = [Step(turned, lever_m=lever_m)], turned
    first, last = lever_point_m(start, lever_m)[:2], lever_point_m(end, lever_m)[:2]
    ways = _corners(asked, table, first, last)
    return [[*spin, *_steps(asked, start, end, corners, lever_m)] for corners in ways]


Corners = tuple[tuple[tuple[float, float], ...], bool]
"""Points between start and end, and whether to stop there."""


def _corners(asked: Instruction, table: Table, first: rm75.Array, last: rm75.Array) -> Iterator[Corners]:
    path = asked.path
    whole = last - first
    if path is None or path.kind in ("straight", "high", "low"):
        yield (), False
    elif path.kind == "diagonal":
        short, long = sorted(np.abs(whole))
        if short < MIN_DIAGONAL_SHARE * long:
            raise PlanError(f"the way is no diagonal: {short / long:.2f}; needed: {MIN_DIAGONAL_SHARE}")
        yield (), False
    elif path.kind == "legs":
        along = [float(whole @ np.array(SIDES[side])) for side in path.legs]
        if min(along) < MIN_LEG_M:
            raise PlanError(f"a leg of {min(along) * 100:.0f} cm is shorter than {MIN_LEG_M * 100:.0f} cm")
        corner = first + along[0] * np.array(SIDES[path.legs[0]])
        yield ((float(corner[0]), float(corner[1])),), True
    else:
        assert path.other is not None
        yield from _around(asked, table.things[path.other], table.things[asked.thing], first, last)


def _around(
    asked: Instruction, other: Laid, thing: Laid, first: rm75.Array, last: rm75.Array
) -> Iterator[Corners]:
    """A smooth arc through a point beside the other thing."""
    assert asked.path is not None
    before, behind = float(first[0]) - other.xy_m[0], float(last[0]) - other.xy_m[0]
    if before * behind > 0.0 or min(abs(before), abs(behind)) < MIN_PASSED_M:
        raise PlanError(f"the {other.thing.name} does not stand between start and end")
    sign = SIDES[asked.path.kind.split()[0]][1]
    share = before / (before - behind)
    straight_y = float(first[1]) + share * float(last[1] - first[1])
    reach = other.thing.extent_m(sign * pi / 2 - other.yaw_rad)
    if asked.contact == "push":
        reach += max(thing.thing.radius_m, 0.025)
    for gap in PASS_GAP_M:
        aside = max(reach + gap, 0.045)
        y = other.xy_m[1] + sign * aside
        if sign * (straight_y - y) >= 0.0:  # the straight way passes on that side already
            yield (), False
            return
        via = np.array([other.xy_m[0], y])
        control = (via - (1 - share) ** 2 * first - share**2 * last) / (2 * share * (1 - share))
        shares = np.linspace(0.0, 1.0, 16)[1:-1]
        arc = [(1 - t) ** 2 * first + 2 * t * (1 - t) * control + t**2 * last for t in shares]
        yield tuple((float(p[0]), float(p[1])) for p in arc), False


def _steps(
    asked: Instruction, start: Waypoint, end: Waypoint, corners: Corners, lever_m: tuple[float, float]
) -> list[Step]:
    points, stops = corners
    here = lever_point_m(start, lever_m)
    goal = lever_point_m(end, lever_m)
    lengths = np.linalg.norm(np.diff([here[:2], *points, goal[:2]], axis=0), axis=1)
    quick = asked.speed == "quick"
    if not stops:
        return [Step(end, points, _duration_s(asked, float(lengths.sum()), _SLACK_M), lever_m, quick)]
    # A leg is as long as it must be; the turn is shared out by the lengths.
    share = float(lengths[0] / lengths.sum())
    yaw = start.yaw_rad + share * (end.yaw_rad - start.yaw_rad)
    z = start.tool_m[2] + share * (end.tool_m[2] - start.tool_m[2])
    middle = Waypoint(np.array([*points[0], z]), yaw, start.opening)
    middle = replace(middle, tool_m=lever_point_m(middle, lever_m, -1.0))
    return [
        Step(waypoint, (), _duration_s(asked, float(length), _SLACK_M / 2), lever_m, quick)
        for waypoint, length in zip((middle, end), lengths, strict=True)
    ]


def _duration_s(asked: Instruction, length_m: float, slack_m: float) -> float | None:
    if asked.speed is None:
        return None
    return (length_m + slack_m) / (SLOW_M_S if asked.speed == "slow" else QUICK_M_S)
