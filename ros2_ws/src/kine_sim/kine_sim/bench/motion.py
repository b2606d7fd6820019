"""Turns steps of the tool into joints at 100 Hz."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, hypot, pi, sin

import numpy as np

from kine_sim import rm75
from kine_sim.expert import MIN_SEGMENT_S, SAMPLE_PERIOD_S, TOOL_SPEED_M_S, YAW_SPEED_RAD_S, Waypoint
from kine_sim.ik import MIN_RADIUS_M, UnreachableError, vertical_tool_joints

MAX_JOINT_SPEED_RAD_S = 1.2
QUICK_JOINT_SPEED_RAD_S = 2.6
_CHECKED_POINTS = 12


@dataclass(frozen=True)
class Step:
    """A piece of motion that ends at a waypoint.

    Attributes:
        end: tool, yaw and opening at the end.
        via_m: points (x, y) of the way before its end; the way runs through them without a stop.
        duration_s: how long it takes; None for the usual speed.
        lever_m: the point that goes the way, (x, y) in the frame of the gripper: the tool centre, or the
            middle of what is pushed.
        quick: joints may go faster than usual.
    """

    end: Waypoint
    via_m: tuple[tuple[float, float], ...] = ()
    duration_s: float | None = None
    lever_m: tuple[float, float] = (0.0, 0.0)
    quick: bool = False


def tool_joints(tool_m: rm75.Array, yaw_rad: float) -> rm75.Array:
    """Joints (7,) of a vertical tool; joint 7 follows the yaw beyond half a turn.

    Raises:
        UnreachableError: out of reach, too near to the base, or a joint beyond its limit.
    """
    radius = hypot(float(tool_m[0]), float(tool_m[1]))
    if radius < MIN_RADIUS_M:
        raise UnreachableError(f"tool {radius:.3f} m from the base is nearer than {MIN_RADIUS_M} m")
    joints = vertical_tool_joints(tool_m, yaw_rad)
    joints[6] = joints[0] - yaw_rad
    if abs(joints[6]) > rm75.POSITION_LIMIT_RAD[6]:
        raise UnreachableError(f"joint 7 at {joints[6]:.2f} rad is beyond {2 * pi:.2f} rad")
    return joints


def lever_point_m(waypoint: Waypoint, lever_m: tuple[float, float], sign: float = 1.0) -> rm75.Array:
    """Return the point (3,) that a lever of the gripper reaches; with sign -1 the tool of such a point."""
    c, s = cos(waypoint.yaw_rad), sin(waypoint.yaw_rad)
    off = np.array([c * lever_m[0] - s * lever_m[1], s * lever_m[0] + c * lever_m[1], 0.0])
    return waypoint.tool_m + sign * off


def way(start: Waypoint, step: Step, shares: rm75.Array) -> tuple[rm75.Array, rm75.Array]:
    """Return tool centres (N, 3) and yaws (N,) at shares (N,) of a step's way."""
    first, last = lever_point_m(start, step.lever_m), lever_point_m(step.end, step.lever_m)
    corners = np.array([first[:2], *step.via_m, last[:2]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = shares * along[-1]
    x, y = (np.interp(at, along, corners[:, k]) for k in (0, 1))
    yaw = start.yaw_rad + shares * (step.end.yaw_rad - start.yaw_rad)
    lever_x = np.cos(yaw) * step.lever_m[0] - np.sin(yaw) * step.lever_m[1]
    lever_y = np.sin(yaw) * step.lever_m[0] + np.cos(yaw) * step.lever_m[1]
    z = first[2] + shares * (last[2] - first[2])
    return np.stack([x - lever_x, y - lever_y, z], axis=1), yaw


def check_way(start: Waypoint, step: Step) -> None:
    """Raise UnreachableError where the way of a step leaves the arm's reach."""
    for tool, yaw in zip(*way(start, step, np.linspace(0.0, 1.0, _CHECKED_POINTS)), strict=True):
        tool_joints(tool, float(yaw))


def sample_step(start_rad: rm75.Array, start: Waypoint, step: Step) -> rm75.Array:
    """Reference (T, 8) from `start` (excluded) to the step's end (included), slow enough for every limit.

    Raises:
        UnreachableError: the end is out of reach.
    """
    tools, _ = way(start, step, np.linspace(0.0, 1.0, 30))
    length = float(np.linalg.norm(np.diff(tools, axis=0), axis=1).sum())
    turn = abs(step.end.yaw_rad - start.yaw_rad)
    duration = step.duration_s or max(length / TOOL_SPEED_M_S, MIN_SEGMENT_S)
    duration = max(duration, turn / YAW_SPEED_RAD_S, SAMPLE_PERIOD_S)
    limit = QUICK_JOINT_SPEED_RAD_S if step.quick else MAX_JOINT_SPEED_RAD_S
    while True:
        path = _sampled(start_rad, start, step, ceil(duration / SAMPLE_PERIOD_S))
        steps = np.abs(np.diff(path[:, :7], axis=0, prepend=start_rad[None]))
        speed = float(steps.max()) / SAMPLE_PERIOD_S
        if speed <= limit:
            return path
        duration *= max(speed / limit, 1.02)


def _sampled(start_rad: rm75.Array, start: Waypoint, step: Step, count: int) -> rm75.Array:
    share = np.arange(1, count + 1) / count
    smooth = share**2 * (3 - 2 * share)
    opening = start.opening + share * (step.end.opening - start.opening)
    # The measured pose is seldom exactly vertical; the difference fades out along the way. Where it is large
    # or the way leaves the reach, the joints go straight to the end instead.
    try:
        offset = start_rad - tool_joints(start.tool_m, start.yaw_rad)
        pairs = zip(*way(start, step, smooth), strict=True)
        line = np.array([tool_joints(tool, float(yaw)) for tool, yaw in pairs])
        joints = line + (1 - smooth)[:, None] * offset
        usable = float(np.abs(offset).max()) < 0.6
    except UnreachableError:
        usable = False
    if not usable:
        final = tool_joints(step.end.tool_m, step.end.yaw_rad)
        joints = start_rad + smooth[:, None] * (final - start_rad)
    return np.column_stack([joints, np.clip(opening, 0.0, 1.0)])
