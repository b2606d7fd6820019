"""Judges an episode from the simulator's state: was the goal reached, and was it done the way asked?

Goal success is about the coarse sentence only (the bread was moved, the carrot lies on the plate).
Kinematics success needs the goal and everything the fine sentence adds: what was held, in which order,
along which way, how it was put down and where it ended, in the viewer's frame.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import hypot
from typing import Any

import numpy as np

from kine_sim import layout
from kine_sim.judge_limits import LIMITS
from kine_sim.scene import SceneConfig
from kine_sim.tasks import Task
from kine_sim.world import World

_REGION_WORDS = {
    "left_front": "left front",
    "right_front": "right front",
    "front": "front",
    "plate_left": "left side of the plate",
    "plate_right": "right side of the plate",
}


@dataclass(frozen=True)
class Verdict:
    """Outcome so far.

    Attributes:
        goal_success: the coarse text is fulfilled.
        kinematics_success: the goal and all constraints of the fine text are fulfilled.
        reasons: one sentence per check, beginning with 'ok' or 'failed', with figures.
        object_end_xy_m: where the object is now.
    """

    goal_success: bool
    kinematics_success: bool
    reasons: tuple[str, ...]
    object_end_xy_m: tuple[float, float]


@dataclass
class _Lift:
    """Seen since the fingers raised the object.

    Attributes:
        along_share: where they held it, as a share of the length from the tip.
        pushed_m: how far it had been pushed when it left the table.
        from_xy_m: where it was raised.
        last_xyz_m: where it was last seen between both fingers.
        way_m: horizontal way in the hand.
    """

    along_share: float
    pushed_m: float
    from_xy_m: np.ndarray
    last_xyz_m: np.ndarray
    way_m: float = 0.0

    def carry(self, xyz_m: np.ndarray) -> None:
        """Note where the object is now, still in the hand."""
        self.way_m += float(hypot(*(xyz_m[:2] - self.last_xyz_m[:2])))
        self.last_xyz_m = xyz_m.copy()


class Judge:
    """Watches one episode. Call `observe` at least ten times a second, `verdict` at any time.

    Args:
        task: what was asked.
        scene: how the episode started.

    Raises:
        ValueError: the scene lacks the task's object.
    """

    def __init__(self, task: Task, scene: SceneConfig) -> None:
        if task.object != scene.object:
            raise ValueError(
                f"task {task.number} is about the {task.object}, but the scene has the {scene.object}"
            )
        self._task = task
        self._scene = scene
        self._lift: _Lift | None = None
        self._in_hand = False
        self._touched = False
        self._at_rest = True
        self._upright = True
        self._xyz = np.array([*scene.object_xy_m, layout.rest_height_m(scene.object)])

    def observe(self, world: World) -> None:
        """Take note of the world as it is now. A later grasp replaces an earlier one."""
        with world.lock:
            pose = world.object_pose(self._task.object)
            contact = world.grip_contact()
            self._at_rest = world.object_speed_m_s() < LIMITS.rest_speed_m_s
        self._xyz = pose[:3, 3]
        self._touched = contact.any
        self._upright = bool(pose[2, 2] > LIMITS.upright_cosine)
        raised = self._xyz[2] - layout.rest_height_m(self._task.object) > LIMITS.lift_m
        if contact.both and raised and not self._in_hand:
            self._in_hand = True
            half = layout.half_length_m(self._task.object)
            pushed = hypot(*(self._xyz[:2] - np.array(self._scene.object_xy_m)))
            if self._lift is not None:
                pushed = self._lift.pushed_m  # only the first lift can tell a push from a carry
            share = (contact.along_m + half) / (2 * half)
            self._lift = _Lift(share, pushed, self._xyz[:2].copy(), self._xyz.copy())
        elif contact.both and self._in_hand and self._lift is not None:
            self._lift.carry(self._xyz)
        elif not contact.any:
            self._in_hand = False

    def told(self) -> dict[str, Any]:
        """Return the verdict so far as plain values."""
        return asdict(self.verdict())

    def verdict(self) -> Verdict:
        """Judge what has been observed so far."""
        goal = [self._released(), self._resting()]
        goal.append(self._bread_moved() if self._task.object == "bread" else self._carrot_on_plate())
        fine = [self._picked_first()]
        if self._task.part is not None:
            fine.append(self._part_held())
        fine += [self._carried(), self._put_down()]
        fine.append(self._bread_region() if self._task.object == "bread" else self._plate_side())
        goal_success = all(ok for ok, _ in goal)
        reasons = tuple(("ok: " if ok else "failed: ") + text for ok, text in [*goal, *fine])
        end = (float(self._xyz[0]), float(self._xyz[1]))
        return Verdict(goal_success, goal_success and all(ok for ok, _ in fine), reasons, end)

    def _released(self) -> tuple[bool, str]:
        name = self._task.object
        return (
            not self._touched,
            f"the fingers {'still touch' if self._touched else 'have let go of'} the {name}",
        )

    def _resting(self) -> tuple[bool, str]:
        state = "lies still" if self._at_rest else "is still moving"
        attitude = "the right way up" if self._upright else "tipped over"
        return self._at_rest and self._upright, f"the {self._task.object} {state}, {attitude}"

    def _bread_moved(self) -> tuple[bool, str]:
        moved = hypot(*(self._xyz[:2] - np.array(self._scene.object_xy_m)))
        on_table = abs(self._xyz[2] - layout.rest_height_m("bread")) < LIMITS.on_table_m
        where = "on the table" if on_table else f"at height {self._xyz[2] * 100:.1f} cm, not on the table"
        return bool(on_table and moved >= LIMITS.min_move_m), (
            f"the bread is {where}, {moved * 100:.1f} cm from where it was; "
            f"asked: at least {LIMITS.min_move_m * 100:.0f} cm"
        )

    def _plate_offset(self, xyz_m: np.ndarray | None = None) -> tuple[float, float]:
        if self._scene.plate_xy_m is None:
            raise ValueError("this scene has no plate")
        x, y = (self._xyz if xyz_m is None else xyz_m)[:2]
        return x - self._scene.plate_xy_m[0], y - self._scene.plate_xy_m[1]

    def _carrot_on_plate(self) -> tuple[bool, str]:
        distance = hypot(*self._plate_offset())
        height = self._xyz[2] - layout.rest_height_m("carrot")
        on_top = abs(height - layout.PLATE_THICKNESS_M) < LIMITS.on_surface_m
        on_top = on_top and distance <= LIMITS.on_plate_m
        return bool(on_top), (
            f"the carrot's middle is {distance * 100:.1f} cm from the plate's centre "
            f"and {height * 100:.1f} cm above lying on the table; "
            f"asked: within {LIMITS.on_plate_m * 100:.1f} cm, resting on the plate"
        )

    def _picked_first(self) -> tuple[bool, str]:
        name = self._task.object
        if self._lift is None:
            return (
                False,
                f"the {name} was never lifted {LIMITS.lift_m * 100:.0f} cm between both fingers; "
                "asked: pick first",
            )
        pushed = self._lift.pushed_m
        return pushed <= LIMITS.max_push_m, (
            f"the {name} slid {pushed * 100:.1f} cm before it was lifted; asked: pick first, "
            f"at most {LIMITS.max_push_m * 100:.0f} cm"
        )

    def _part_held(self) -> tuple[bool, str]:
        asked = self._task.part
        if self._lift is None:
            return False, f"no part of the {self._task.object} was held; asked: {asked}"
        share = self._lift.along_share
        held = (
            "lower part"
            if share < LIMITS.lower_below
            else "upper part"
            if share > LIMITS.upper_above
            else "middle"
        )
        return held == f"{asked} part", (
            f"grasped at {share * 100:.0f} % of the length from the tip: {held}; asked: {asked}"
        )

    def _carried(self) -> tuple[bool, str]:
        name = self._task.object
        if self._lift is None:
            return False, f"the {name} was not carried; asked: a direct way"
        straight = hypot(*(self._lift.last_xyz_m[:2] - self._lift.from_xy_m))
        detour = self._lift.way_m / (straight + LIMITS.detour_slack_m)
        return detour <= LIMITS.max_detour, (
            f"the {name} was carried {self._lift.way_m * 100:.1f} cm to get {straight * 100:.1f} cm away; "
            f"asked: a direct way, at most {LIMITS.max_detour:.1f} times the distance"
        )

    def _put_down(self) -> tuple[bool, str]:
        name = self._task.object
        if self._lift is None:
            return False, f"the {name} was never in the hand; asked: put down, not dropped"
        surface = layout.rest_height_m(name)
        if (
            name == "carrot"
            and hypot(*self._plate_offset(self._lift.last_xyz_m)) <= layout.PLATE_RIM_RADIUS_M
        ):
            surface += layout.PLATE_THICKNESS_M
        height = max(0.0, float(self._lift.last_xyz_m[2]) - surface)
        return height <= LIMITS.max_drop_m, (
            f"the fingers last held the {name} {height * 100:.1f} cm above where it can lie; "
            f"asked: put down from at most {LIMITS.max_drop_m * 100:.0f} cm"
        )

    def _bread_region(self) -> tuple[bool, str]:
        region = layout.TABLE_REGIONS[self._task.goal_region]
        distance = region.distance_m((float(self._xyz[0]), float(self._xyz[1])))
        return distance <= region.radius_m, (
            f"the bread ended {distance * 100:.1f} cm from the middle of the "
            f"{_REGION_WORDS[self._task.goal_region]}; asked: within {region.radius_m * 100:.1f} cm"
        )

    def _plate_side(self) -> tuple[bool, str]:
        offset = self._plate_offset()[1]
        side = "right" if offset > 0 else "left"
        on_plate, _ = self._carrot_on_plate()
        wanted = layout.plate_side_sign(self._task.goal_region)
        return on_plate and bool(offset * wanted >= LIMITS.min_side_m), (
            f"the carrot lies {abs(offset) * 100:.1f} cm {side} of the plate's centre"
            f"{'' if on_plate else ', but not on it'}; "
            f"asked: {_REGION_WORDS[self._task.goal_region]}, by at least {LIMITS.min_side_m * 100:.0f} cm"
        )
