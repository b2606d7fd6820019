"""Closed-form inverse kinematics of the RM75 for a vertical tool.

With the tool pointing straight down and joints 3 and 5 at zero the arm is a planar three-link arm
that turns about joint 1, so every reachable tool position and yaw has one elbow-up answer. Using it
keeps demonstrations single-valued: one tool pose, one arm pose.
"""

from __future__ import annotations

from math import acos, atan2, hypot, pi, sin

import numpy as np
from numpy.typing import ArrayLike

from kine_sim import rm75

MIN_RADIUS_M = 0.21
MAX_RADIUS_M = 0.445


class UnreachableError(ValueError):
    """The tool pose has no arm pose with a vertical tool."""


def wrap_half_turn(angle_rad: float) -> float:
    """Return the angle plus a multiple of pi that lies in (-pi/2, pi/2]: a gripper is the same both ways."""
    return float(pi / 2 - (pi / 2 - angle_rad) % pi)


def wrap_full_turn(angle_rad: float) -> float:
    """Return the angle plus a multiple of 2 pi that lies in (-pi, pi]."""
    return float(pi - (pi - angle_rad) % (2 * pi))


def vertical_tool_joints(tool_m: ArrayLike, yaw_rad: float) -> rm75.Array:
    """Joints (7,) in rad that put the tool centre at `tool_m` (3,), pointing down.

    Args:
        tool_m: tool centre in the base frame, metres.
        yaw_rad: direction of the gripper's x axis about world z, counted so that joint 7 = joint 1 - yaw;
            an object whose long axis points along yaw lies between the fingers. No branch is chosen here.

    Raises:
        UnreachableError: position out of reach or a joint beyond its limit.
    """
    x, y, z = (float(v) for v in np.asarray(tool_m, float))
    upper, fore = rm75.SHOULDER_TO_ELBOW_M, rm75.ELBOW_TO_WRIST_M
    radius = hypot(x, y)
    height = z + rm75.FLANGE_TO_TOOL_M + rm75.WRIST_TO_FLANGE_M - rm75.BASE_TO_SHOULDER_M
    cos_elbow = (radius**2 + height**2 - upper**2 - fore**2) / (2 * upper * fore)
    if not -1.0 <= cos_elbow <= 1.0:
        raise UnreachableError(f"tool at ({x:.3f}, {y:.3f}, {z:.3f}) m is out of reach with a vertical tool")
    q4 = acos(cos_elbow)
    q2 = atan2(radius, height) - atan2(fore * sin(q4), upper + fore * cos_elbow)
    q1 = atan2(y, x)
    joints = np.array([q1, q2, 0.0, q4, 0.0, pi - q2 - q4, wrap_full_turn(q1 - yaw_rad)])
    try:
        return rm75.check_joints(joints, f"tool at ({x:.3f}, {y:.3f}, {z:.3f}) m")
    except ValueError as error:
        raise UnreachableError(str(error)) from error


def gripper_yaw_near_home(tool_m: ArrayLike, object_yaw_rad: float) -> float:
    """Yaw (rad) of a gripper across an object's long axis that keeps joint 7 nearest to zero."""
    x, y, _ = (float(v) for v in np.asarray(tool_m, float))
    q1 = atan2(y, x)
    return q1 - wrap_half_turn(q1 - object_yaw_rad)
