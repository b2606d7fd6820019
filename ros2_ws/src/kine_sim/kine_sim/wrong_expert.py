"""Experts that do a task the wrong way, to see whether the judge notices.

Doing another task's motion (other side, part or direction) needs no code of its own: a `ScriptedExpert` for
that task does it. The mistakes here are those no sentence asks for.
"""

from __future__ import annotations

from math import atan2, cos, hypot, pi, sin
from typing import Literal

import numpy as np

from kine_sim import layout, rm75
from kine_sim.expert import GRIP_S, TRAVEL_HEIGHT_M, ScriptedExpert, Waypoint
from kine_sim.ik import gripper_yaw_near_home

Mistake = Literal["drop", "detour", "keep_hold", "push"]
MISTAKES: tuple[Mistake, ...] = ("drop", "detour", "keep_hold", "push")

_PUSH_GAP_M = 0.045
_DETOUR_TURN_RAD = 0.7


class DroppingExpert(ScriptedExpert):
    """Carries the object to its goal and lets go of it high above."""

    def _placing(self, carry: Waypoint, pose: rm75.Array, along_m: float) -> list[Waypoint]:
        above = super()._placing(carry, pose, along_m)[0]
        return [
            above,
            above.with_opening(1.0, GRIP_S),
            above.with_height(TRAVEL_HEIGHT_M + 0.02, opening=1.0),
        ]


class DetouringExpert(ScriptedExpert):
    """Swings to the far side of the table before it goes to the goal."""

    def _placing(self, carry: Waypoint, pose: rm75.Array, along_m: float) -> list[Waypoint]:
        direct = super()._placing(carry, pose, along_m)
        start, goal = (atan2(point.tool_m[1], point.tool_m[0]) for point in (carry, direct[0]))
        away = start - np.sign(goal - start) * _DETOUR_TURN_RAD
        radius = hypot(carry.tool_m[0], carry.tool_m[1])
        tool = np.array([radius * cos(away), radius * sin(away), TRAVEL_HEIGHT_M])
        # Joint 7 stays as it is, so the object turns with the arm and back again.
        return [Waypoint(tool, carry.yaw_rad + away - start, 0.0), *direct]


class HoldingExpert(ScriptedExpert):
    """Brings the object to its goal and never lets go."""

    def _placing(self, carry: Waypoint, pose: rm75.Array, along_m: float) -> list[Waypoint]:
        return super()._placing(carry, pose, along_m)[:2]


class PushingExpert(ScriptedExpert):
    """Pushes the object over the table with closed fingers instead of picking it up."""

    def _waypoints(self) -> list[Waypoint]:
        pose = self._world.object_pose(self.task.object)
        x, y = (float(v) for v in pose[:2, 3])
        goal = self._goal_xy()
        heading = atan2(goal[1] - y, goal[0] - x)
        behind = np.array([x - _PUSH_GAP_M * cos(heading), y - _PUSH_GAP_M * sin(heading), 0.0])
        end = np.array([goal[0] - _PUSH_GAP_M * cos(heading), goal[1] - _PUSH_GAP_M * sin(heading), 0.0])
        yaw = gripper_yaw_near_home(behind, heading + pi / 2)
        low = 0.7 * layout.rest_height_m(self.task.object)
        over = Waypoint(behind, yaw, 0.0).with_height(TRAVEL_HEIGHT_M)
        pushed = Waypoint(end, yaw, 0.0).with_height(low)
        return [over, over.with_height(low), pushed, pushed.with_height(TRAVEL_HEIGHT_M + 0.02, opening=1.0)]

    def _goal_xy(self) -> tuple[float, float]:
        region = layout.TABLE_REGIONS.get(self.task.goal_region)
        if region is not None:
            return region.centre_m
        plate = self._world.scene.plate_xy_m
        assert plate is not None  # the carrot's scenes have a plate
        side = layout.plate_side_sign(self.task.goal_region) * layout.PLATE_SIDE_OFFSET_M
        return plate[0], plate[1] + side


WRONG_EXPERTS: dict[Mistake, type[ScriptedExpert]] = {
    "drop": DroppingExpert,
    "detour": DetouringExpert,
    "keep_hold": HoldingExpert,
    "push": PushingExpert,
}
