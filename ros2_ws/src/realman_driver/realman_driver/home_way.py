"""A way to the home position that is clear of the table and of the arm itself: straight, or over a few poses.

The controller moves straight in joint angles from one pose to the next, so that is what each leg is looked at
for, with the same distances as every chunk. What is tried, in order: straight home; up first, or away from
what is nearest, then home; and both with the arm stretched up, or folded as at home, before it turns. What
lies on the table is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .arm_geometry import REACH_M, Array, shape_of
from .arm_model import Limits
from .gate import Breach, Space

# Poses of a leg that are looked at: nothing moves further between two of them.
_SAMPLE_M = 0.002
_STEPS = 24
_LIFT_M = 0.02
_RETREAT_RAD = 0.06
_DAMPING_M = 0.05
_PROBE_RAD = 1e-4
# Near the smallest distance others count as well, so that a way out of one does not lead into another.
_SOFTNESS_M = 0.02
# Of the poses on the way up or away, those from which the rest is tried.
_TRIED = (2, 4, 7, 11, 16, 24)


@dataclass(frozen=True)
class HomeWay:
    """Where the arm is sent, one pose (7,) after the other; the last is home."""

    legs_rad: tuple[tuple[float, ...], ...]


def plan_home(space: Space, start_rad: Array, home_rad: Array, ranges: Limits) -> HomeWay | Breach:
    """Find a clear way home.

    Args:
        space: judges ways.
        start_rad: (7,) where the arm is.
        home_rad: (7,) where it shall go.
        ranges: 7 pairs of joint limits, rad, which no pose on the way leaves.

    Returns:
        The way, or what is in the way of going straight home when none was found.
    """
    straight = space.breach(_sampled([start_rad, home_rad]))
    if straight is None:
        return _way([home_rad])
    for away in _ways_out(space, start_rad, np.array(ranges).T):
        begin = [start_rad, *away]
        if away and space.breach(_sampled(begin)) is not None:
            continue
        for over in _vias(begin[-1], home_rad):
            poses = [*begin, *over, home_rad]
            if space.breach(_sampled(poses)) is None:
                return _way(poses[1:])
    return straight


def leg_breach(
    space: Space, here_rad: tuple[float, ...], legs_rad: tuple[tuple[float, ...], ...]
) -> Breach | None:
    """What is in the way of going on from where the arm is (7,), along the legs that are left."""
    return space.breach(_sampled([np.array(pose) for pose in (here_rad, *legs_rad)]))


def _ways_out(space: Space, start_rad: Array, bounds: Array) -> Iterator[list[Array]]:
    """Poses to go to first: none, further and further up, further and further away from what is near."""
    yield []
    for step in (_lifted, _retreated):
        poses, here = [], start_rad
        for _ in range(_STEPS):
            here = np.minimum(np.maximum(step(space, here), bounds[0]), bounds[1])
            poses.append(here)
        for count in _TRIED:
            yield [poses[count - 1]]
            if count > 2:
                yield [poses[count // 2 - 1], poses[count - 1]]


def _vias(here_rad: Array, home_rad: Array) -> Iterator[list[Array]]:
    """Poses between here and home: none, or the arm stretched up or folded as at home before it turns."""
    turned, home_turned = _at(here_rad[0], np.zeros(7)), _at(here_rad[0], home_rad)
    wrist = here_rad.copy()
    wrist[[2, 4, 6]] = home_rad[[2, 4, 6]]
    lower = home_rad.copy()
    lower[[0, 2, 4, 6]] = here_rad[[0, 2, 4, 6]]
    yield []
    yield [home_turned]
    yield [turned]
    yield [wrist, home_turned]
    yield [lower, home_turned]
    yield [turned, _at(home_rad[0], np.zeros(7))]
    yield [lower]
    yield [wrist]


def _at(base_rad: float, pose_rad: Array) -> Array:
    pose = pose_rad.copy()
    pose[0] = base_rad
    return pose


def _lifted(_space: Space, pose_rad: Array) -> Array:
    """The pose with the tool 2 cm higher, by a damped least-squares step."""
    tool = shape_of(_probes(pose_rad)).tool_m
    jacobian = (tool[:, 1:] - tool[:, :1]) / _PROBE_RAD
    wanted = np.array((0.0, 0.0, _LIFT_M))
    damped = jacobian @ jacobian.T + _DAMPING_M**2 * np.eye(3)
    result: Array = pose_rad + jacobian.T @ np.linalg.solve(damped, wanted)
    return result


def _retreated(space: Space, pose_rad: Array) -> Array:
    """The pose a step away from what is nearest."""
    margin = space.margins(_probes(pose_rad))
    nearness = np.exp(-np.minimum(margin - margin[0].min(), 1.0) / _SOFTNESS_M).sum(axis=1)
    uphill = -(nearness[1:] - nearness[0])
    longest = float(np.abs(uphill).max())
    return pose_rad if longest == 0.0 else pose_rad + _RETREAT_RAD / longest * uphill


def _probes(pose_rad: Array) -> Array:
    """The pose, and seven more with one joint each turned a little, (8, 7)."""
    return pose_rad + _PROBE_RAD * np.eye(8, 7, -1)


def _sampled(poses_rad: list[Array]) -> Array:
    """Straight from pose to pose, (N, 7), close together."""
    parts = [poses_rad[0][None]]
    for start, end in pairwise(poses_rad):
        count = max(1, int(np.ceil(np.abs(end - start) @ REACH_M / _SAMPLE_M)))
        parts.append(start + np.arange(1, count + 1)[:, None] / count * (end - start))
    return np.concatenate(parts)


def _way(poses_rad: list[Array]) -> HomeWay:
    return HomeWay(tuple(tuple(pose.tolist()) for pose in poses_rad))
