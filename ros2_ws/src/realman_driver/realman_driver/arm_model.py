"""Names, limits and home pose of the seven-axis arm the driver is made for, in radians.

Source: the vendor SDK's offline kinematic table of the RM75-B. The limits a connected controller reports
may only narrow these (see `narrowed_limits`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

JOINT_COUNT = 7
JOINT_NAMES: tuple[str, ...] = tuple(f"joint_{number}" for number in range(1, JOINT_COUNT + 1))
GRIPPER_NAME = "gripper"
AXIS_NAMES: tuple[str, ...] = (*JOINT_NAMES, GRIPPER_NAME)

UPPER_LIMIT_RAD: tuple[float, ...] = (3.106686, 2.268928, 3.106686, 2.356194, 3.106686, 2.234021, 6.283185)
LOWER_LIMIT_RAD: tuple[float, ...] = tuple(-upper for upper in UPPER_LIMIT_RAD)
MAX_SPEED_RAD_S: tuple[float, ...] = (3.141593, 3.141593, 3.926991, 3.926991, 3.926991, 3.926991, 3.926991)

# The controller ignores a streamed frame that lies further than this from the one before (vendor manual).
MAX_FRAME_STEP_RAD = 0.174533

HOME_RAD: tuple[float, ...] = (0.0, 0.349066, 0.0, 1.221730, 0.0, 1.570796, 0.0)

Limits = tuple[tuple[float, float], ...]
RATED_LIMITS: Limits = tuple(zip(LOWER_LIMIT_RAD, UPPER_LIMIT_RAD, strict=True))


def narrowed_limits(lower_rad: Sequence[float], upper_rad: Sequence[float]) -> Limits:
    """The intersection of the rated limits and those a controller reports.

    Args:
        lower_rad: 7 lower limits as reported, rad.
        upper_rad: 7 upper limits as reported, rad.

    Returns:
        7 pairs (lower, upper), rad.

    Raises:
        ValueError: a joint would be left without any range, or a figure is not finite; names the joint.
    """
    if len(lower_rad) != JOINT_COUNT or len(upper_rad) != JOINT_COUNT:
        raise ValueError(f"the controller reports limits of {len(lower_rad)} joints, expected {JOINT_COUNT}")
    result: list[tuple[float, float]] = []
    for name, rated, low, high in zip(JOINT_NAMES, RATED_LIMITS, lower_rad, upper_rad, strict=True):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{name}: the controller reports the limits [{low}, {high}] rad")
        pair = (max(rated[0], low), min(rated[1], high))
        if pair[0] >= pair[1]:
            raise ValueError(f"{name}: the controller's limits [{low:.3f}, {high:.3f}] rad leave no range")
        result.append(pair)
    return tuple(result)
