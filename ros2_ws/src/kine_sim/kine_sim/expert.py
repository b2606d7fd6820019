"""Scripted expert: plans a whole pick-and-place from what the world is like now.

The plan is a reference trajectory: tool waypoints, joined by straight lines with smooth starts and
stops, turned into joints by the closed-form inverse kinematics and sampled at 100 Hz. It begins at
the measured pose, so it can be made in the middle of an episode to show a recovery.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, hypot, pi, sin
from typing import Any

import numpy as np

from kine_sim import layout, rm75
from kine_sim.ik import UnreachableError, gripper_yaw_near_home, vertical_tool_joints, wrap_full_turn
from kine_sim.tasks import Task
from kine_sim.world import World

SAMPLE_PERIOD_S = 0.01
TOOL_SPEED_M_S = 0.20
YAW_SPEED_RAD_S = 1.0
MAX_JOINT_SPEED_RAD_S = 1.2
MIN_SEGMENT_S = 0.35
GRIP_S = 0.40
TRAVEL_HEIGHT_M = 0.10
CLEARANCE_M = 0.08


@dataclass(frozen=True)
class Waypoint:
    """Tool centre (3,), gripper yaw and opening to reach, and the least time to take for it."""

    tool_m: rm75.Array
    yaw_rad: float
    opening: float
    min_duration_s: float = MIN_SEGMENT_S

    def with_height(self, height_m: float, opening: float | None = None) -> Waypoint:
        """The same place at another height, moved into the reachable ring where it lies outside."""
        radius = hypot(self.tool_m[0], self.tool_m[1])
        inside = min(max(radius, layout.MIN_GOAL_RADIUS_M - 0.01), layout.MAX_GOAL_RADIUS_M)
        scale = inside / max(radius, 1e-6)
        tool = np.array([self.tool_m[0] * scale, self.tool_m[1] * scale, height_m])
        return Waypoint(tool, self.yaw_rad, self.opening if opening is None else opening)

    def with_opening(self, opening: float, duration_s: float) -> Waypoint:
        """The same place with the gripper moved, taking a given time."""
        return Waypoint(self.tool_m, self.yaw_rad, opening, duration_s)


class ScriptedExpert:
    """Plans from ground truth and gives the reference at any time.

    Args:
        source: an environment (anything with `world` and `task`) or a `World`.
        task: what to do; needed with a bare `World`, otherwise the environment's task.

    Raises:
        ValueError: no task, or a task whose object is not in the scene.
    """

    def __init__(self, source: Any, task: Task | None = None) -> None:
        self._world: World = source if isinstance(source, World) else source.world
        known = task if task is not None else getattr(source, "task", None)
        if known is None:
            raise ValueError("the expert needs a task: pass one along with the world")
        self.task: Task = known
        if self.task.object != self._world.scene.object:
            raise ValueError(
                f"task {self.task.number} is about the {self.task.object}, but the scene has the "
                f"{self._world.scene.object}"
            )
        self._reference = np.zeros((0, 8))

    @property
    def duration_s(self) -> float:
        """Length of the planned motion; 0 before `plan`."""
        return max(len(self._reference) - 1, 0) * SAMPLE_PERIOD_S

    @property
    def reference(self) -> rm75.Array:
        """The plan (T, 8) at 100 Hz: seven joints in rad and the gripper opening."""
        return self._reference.copy()

    def plan(self) -> None:
        """Plan from the present state of the world.

        Raises:
            UnreachableError: the object or its goal is out of reach with a vertical tool.
        """
        with self._world.lock:
            state = self._world.state
            waypoints = self._waypoints()
        pieces = [state[None]]
        here = measured_waypoint(state)
        joints = state[:7]
        for goal in waypoints:
            piece = _segment(joints, here, goal)
            pieces.append(piece)
            joints, here = piece[-1, :7], goal
        self._reference = np.concatenate(pieces)

    def target(self, t_s: float) -> rm75.Array:
        """Reference (8,) at a time since the start of the plan; the last pose after its end.

        Raises:
            RuntimeError: nothing was planned yet.
            ValueError: negative or non-finite time.
        """
        if len(self._reference) == 0:
            raise RuntimeError("call plan() before asking for targets")
        if not 0.0 <= t_s < float("inf"):
            raise ValueError(f"t_s = {t_s} is outside 0 .. infinity")
        place = min(t_s / SAMPLE_PERIOD_S, len(self._reference) - 1.0)
        low = min(int(place), len(self._reference) - 2) if len(self._reference) > 1 else 0
        share = place - low
        high = min(low + 1, len(self._reference) - 1)
        return (1 - share) * self._reference[low] + share * self._reference[high]

    def _waypoints(self) -> list[Waypoint]:
        world, task = self._world, self.task
        pose = world.object_pose(task.object)
        contact = world.grip_contact()
        here = measured_waypoint(world.state)
        lifted_m = float(pose[2, 3]) - layout.rest_height_m(task.object)
        held = contact.both and _fingers_fit(world, task)
        if not held and _at_goal(world, task):
            return [here.with_height(TRAVEL_HEIGHT_M + 0.02, opening=1.0)]
        if held and self._is_right_part(contact.along_m):
            lift = here.with_height(TRAVEL_HEIGHT_M, opening=0.0)
            placing = self._placing(lift, pose, contact.along_m)
            if _is_close(here, placing[1], 0.015, 0.10):
                return placing[1:]  # already over the goal: only lower
            start = [lift] if here.tool_m[2] < TRAVEL_HEIGHT_M - 0.01 else []
            return start + placing
        start = []
        if held:  # by the wrong part: put it down where it is, then take it properly
            down = here.with_height(max(here.tool_m[2] - lifted_m, 0.012), opening=0.0)
            start = [down, down.with_opening(1.0, GRIP_S)]
            pose[2, 3] -= lifted_m
        grasp = self._grasp(pose)
        if start or not self._may_go_straight_down(here, grasp):
            if (start[-1] if start else here).tool_m[2] < CLEARANCE_M:
                start.append((start[-1] if start else here).with_height(CLEARANCE_M, opening=1.0))
            start.append(grasp.with_height(float(grasp.tool_m[2]) + CLEARANCE_M))
        closed = grasp.with_opening(0.0, GRIP_S)
        lift = closed.with_height(TRAVEL_HEIGHT_M)
        return [*start, grasp, closed, lift, *self._placing(lift, pose, layout.grasp_offset_m(task.part))]

    def _is_right_part(self, along_m: float) -> bool:
        wanted = layout.grasp_offset_m(self.task.part)
        return abs(along_m - wanted) < 0.02

    def _grasp(self, pose: rm75.Array) -> Waypoint:
        yaw = atan2(pose[1, 0], pose[0, 0])
        axis = np.array([cos(yaw), sin(yaw), 0.0])
        tool = pose[:3, 3] + layout.grasp_offset_m(self.task.part) * axis
        return Waypoint(tool, gripper_yaw_near_home(tool, yaw), 1.0)

    def _may_go_straight_down(self, here: Waypoint, grasp: Waypoint) -> bool:
        return _is_close(here, grasp, 0.006, 0.08) and here.opening > 0.95 and here.tool_m[2] < 0.12

    def _placing(self, carry: Waypoint, pose: rm75.Array, along_m: float) -> list[Waypoint]:
        """Move over the goal, lower, let go, retreat; `along_m` is where the object is held."""
        release = self._release(carry, pose, along_m)
        above = release.with_height(TRAVEL_HEIGHT_M)
        opened = release.with_opening(1.0, GRIP_S)
        return [above, release, opened, opened.with_height(TRAVEL_HEIGHT_M + 0.02)]

    def _release(self, carry: Waypoint, pose: rm75.Array, along_m: float) -> Waypoint:
        task, scene = self.task, self._world.scene
        height = layout.rest_height_m(task.object) + 0.001
        if task.object == "bread":
            x, y = layout.TABLE_REGIONS[task.goal_region].centre_m
            # Joint 7 stays as it is, so the loaf turns with the arm.
            turn = atan2(y, x) - atan2(carry.tool_m[1], carry.tool_m[0])
            return Waypoint(np.array([x, y, height]), carry.yaw_rad + turn, 0.0)
        assert scene.plate_xy_m is not None  # the carrot's scenes have a plate
        yaw = atan2(pose[1, 0], pose[0, 0])
        # Lay the carrot along the viewer's line of sight, leaves on the side where they are.
        final_yaw = 0.0 if abs(wrap_full_turn(yaw)) < pi / 2 else pi
        side = layout.plate_side_sign(task.goal_region) * layout.PLATE_SIDE_OFFSET_M
        x = scene.plate_xy_m[0] + along_m * cos(final_yaw)
        tool = np.array([x, scene.plate_xy_m[1] + side, height + layout.PLATE_THICKNESS_M])
        return Waypoint(tool, carry.yaw_rad + wrap_full_turn(final_yaw - yaw), 0.0)


def _is_close(here: Waypoint, there: Waypoint, distance_m: float, turn_rad: float) -> bool:
    """The tool is above a place, within a horizontal distance and a turn."""
    off = hypot(*(here.tool_m[:2] - there.tool_m[:2]))
    return off < distance_m and abs(wrap_full_turn(here.yaw_rad - there.yaw_rad)) < turn_rad


def _fingers_fit(world: World, task: Task) -> bool:
    """The gap between the fingers is as wide as the object: they hold it, and do not just touch it."""
    gap_m = world.gripper_opening * rm75.FINGER_TRAVEL_M
    if task.object == "bread":
        thin = thick = layout.BREAD_HALF_M[1]
    else:
        thin, thick = layout.CARROT_LOWER_HALF_WIDTH_M, layout.CARROT_UPPER_HALF_WIDTH_M
    return thin - 0.003 < gap_m < thick + 0.003


def _at_goal(world: World, task: Task) -> bool:
    """The object lies where the task wants it, so all that is left is to retreat."""
    x, y, z = world.object_pose(task.object)[:3, 3]
    if task.object == "bread":
        return layout.TABLE_REGIONS[task.goal_region].distance_m((x, y)) < 0.03
    assert world.scene.plate_xy_m is not None
    side = layout.plate_side_sign(task.goal_region) * layout.PLATE_SIDE_OFFSET_M
    plate_x, plate_y = world.scene.plate_xy_m
    low = z < layout.rest_height_m("carrot") + layout.PLATE_THICKNESS_M + 0.008
    return low and abs(x - plate_x) < 0.03 and abs(y - plate_y - side) < 0.015


def measured_waypoint(state: rm75.Array) -> Waypoint:
    """The tool as it is now; yaw counted so that it agrees with joint 1 - joint 7 for a vertical tool."""
    pose = rm75.tool_pose(state[:7])
    yaw = atan2(-pose[0, 1], pose[1, 1])
    turns = round((state[0] - state[6] - yaw) / (2 * pi))
    return Waypoint(pose[:3, 3], yaw + 2 * pi * turns, float(state[7]))


def _segment(start_rad: rm75.Array, start: Waypoint, goal: Waypoint) -> rm75.Array:
    """Reference (T, 8) from `start` (excluded) to `goal` (included), slow enough for every limit."""
    distance = float(np.linalg.norm(goal.tool_m - start.tool_m))
    turn = abs(goal.yaw_rad - start.yaw_rad)
    duration = max(distance / TOOL_SPEED_M_S, turn / YAW_SPEED_RAD_S, goal.min_duration_s)
    while True:
        count = max(int(np.ceil(duration / SAMPLE_PERIOD_S)), 1)
        path = _sample_segment(start_rad, start, goal, count)
        speed = float(np.abs(np.diff(path[:, :7], axis=0, prepend=start_rad[None])).max()) / SAMPLE_PERIOD_S
        if speed <= MAX_JOINT_SPEED_RAD_S:
            return path
        duration *= max(speed / MAX_JOINT_SPEED_RAD_S, 1.02)


def _sample_segment(start_rad: rm75.Array, start: Waypoint, goal: Waypoint, count: int) -> rm75.Array:
    share = np.arange(1, count + 1) / count
    smooth = share**2 * (3 - 2 * share)
    opening = start.opening + share * (goal.opening - start.opening)
    final = vertical_tool_joints(goal.tool_m, goal.yaw_rad)
    # The measured pose is seldom exactly vertical. The difference fades out along the way; where it is
    # large or the line leaves the reachable ring, the joints move straight to the goal instead.
    try:
        offset = start_rad - vertical_tool_joints(start.tool_m, start.yaw_rad)
        line = [
            vertical_tool_joints(
                start.tool_m + s * (goal.tool_m - start.tool_m),
                start.yaw_rad + s * (goal.yaw_rad - start.yaw_rad),
            )
            for s in smooth
        ]
        joints = np.array(line) + (1 - smooth)[:, None] * offset
        usable = float(np.abs(offset).max()) < 0.6
    except UnreachableError:
        usable = False
    if not usable:
        joints = start_rad + smooth[:, None] * (final - start_rad)
    return np.column_stack([joints, np.clip(opening, 0.0, 1.0)])
