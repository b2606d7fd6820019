"""The poses a chunk leads through, for the rules about space: the points and some between them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ..arm_geometry import Array, Shape, shape_of
from ..arm_model import JOINT_COUNT
from .chunk import ReceivedChunk, Situation

# Between two poses this far apart in one joint the tool's way bows by about 1 mm at full reach.
MAX_STEP_RAD = 0.1
MAX_POSES_PER_STEP = 20


@lru_cache(maxsize=1)
def _shape(points: tuple[tuple[float, ...], ...]) -> tuple[Shape, tuple[int, ...]]:
    corners = np.array(points)
    steps = np.abs(np.diff(corners[:, :JOINT_COUNT], axis=0)).max(axis=1)
    poses: list[Array] = []
    numbers: list[int] = []
    for number, step in enumerate(steps.tolist()):
        count = min(MAX_POSES_PER_STEP, max(1, math.ceil(step / MAX_STEP_RAD)))
        shares = np.arange(1, count + 1)[:, None] / count
        poses.append(corners[number] + shares * (corners[number + 1] - corners[number]))
        numbers += [number] * count
    path = np.concatenate(poses)
    return shape_of(path[:, :JOINT_COUNT], path[:, JOINT_COUNT]), tuple(numbers)


def shape_along(chunk: ReceivedChunk, now: Situation) -> tuple[Shape, tuple[int, ...]]:
    """The arm along the way from the present setpoint through the points, the setpoint itself left out.

    Returns:
        The N poses and, for each, the number of the point it leads to.
    """
    return _shape((now.setpoint, *(point.positions for point in chunk.points)))
