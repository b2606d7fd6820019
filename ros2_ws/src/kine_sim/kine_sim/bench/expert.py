"""Scripted expert of the bench: does any instruction that its scene was drawn for.

It plans from how everything lies, gives the reference at 100 Hz, and starts again where the thing is not in
the hand when it should be.
"""

from __future__ import annotations

from dataclasses import replace
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING

import numpy as np

from kine_sim import rm75
from kine_sim.bench.goal import Goal, goals
from kine_sim.bench.motion import Step, sample_step
from kine_sim.bench.plan import Hold, Plan, PlanError, find_plan, grasp_frame
from kine_sim.bench.scene import BenchScene
from kine_sim.bench.table import Laid, Table
from kine_sim.bench.things.thing import MIN_TOOL_HEIGHT_M
from kine_sim.expert import GRIP_S, SAMPLE_PERIOD_S, Waypoint, measured_waypoint
from kine_sim.ik import wrap_full_turn
from kine_sim.world import World
from kinevla.text.language import Instruction

if TYPE_CHECKING:
    from kine_sim.bench.env import KineBenchEnv

MAX_ATTEMPTS = 3
SAFE_HEIGHT_M = 0.110
LIFTED_M = 0.006
FROM_GRASP_M = 0.020
"""A thing that is held further from every way to hold it is put down and taken again."""


class BenchExpert:
    """Does an instruction in a world, from the truth of the simulator.

    Args:
        world: with a scene of the bench.
        asked: what to do.
        goal: how the thing ends; None takes the plain way from how things lie at the start of the scene.

    Raises:
        ValueError: another kind of scene, or one without the thing.
    """

    def __init__(self, world: World, asked: Instruction, goal: Goal | None = None) -> None:
        scene = world.scene
        if not isinstance(scene, BenchScene):
            raise ValueError("the world has no scene of the bench")
        if asked.thing not in (names := [thing.name for thing in scene.things]):
            raise ValueError(f"the scene has no {asked.thing}, but {', '.join(names)}")
        self._world, self._scene, self._asked, self._goal = world, scene, asked, goal
        self._reference = np.zeros((0, 8))
        self._held_from_s = self._held_until_s = 0.0
        self._planned_at_s = 0.0
        self._attempts = 0

    @property
    def duration_s(self) -> float:
        """Length of the planned motion; 0 before `plan`."""
        return max(len(self._reference) - 1, 0) * SAMPLE_PERIOD_S

    @property
    def reference(self) -> rm75.Array:
        """The plan (T, 8) at 100 Hz: seven joints in rad and the gripper opening."""
        return self._reference.copy()

    @property
    def attempts(self) -> int:
        """How often it planned."""
        return self._attempts

    @property
    def done(self) -> bool:
        """The plan has come to its end."""
        return self._attempts > 0 and self._world.time_s - self._planned_at_s >= self.duration_s

    def plan(self) -> Plan:
        """Plan from the present state of the world.

        Raises:
            PlanError: what is asked cannot be done from here.
        """
        with self._world.lock:
            state = self._world.state
            table = table_now(self._world, self._scene)
            self._planned_at_s = self._world.time_s
        first = self._scene.table
        choices = [self._goal] if self._goal is not None else goals(self._asked, first)
        # A goal counts its turn from how the thing lay at the start; the plan turns it from how it lies now.
        turned = wrap_full_turn(
            table.things[self._asked.thing].yaw_rad - first.things[self._asked.thing].yaw_rad
        )
        now = [Goal(goal.xy_m, _rest_of(goal.turn_rad, turned), goal.on_plate) for goal in choices]
        hold = self._hold(table, state)
        try:
            plan = find_plan(self._asked, table, now, hold)
        except PlanError:
            if self._asked.path is None or hold is None:
                raise
            # The rest of a way is no such way any more where its first part is behind.
            plan = find_plan(replace(self._asked, path=None), table, now, hold)
        self._goal = choices[now.index(plan.goal)]
        self._sample(state, plan, [] if hold else self._free(state))
        self._attempts += 1
        return plan

    def target(self, t_s: float) -> rm75.Array:
        """Reference (8,) at a time since the start of the plan; the last pose after its end.

        Raises:
            RuntimeError: nothing was planned yet.
        """
        if len(self._reference) == 0:
            raise RuntimeError("call plan() before asking for targets")
        place = min(max(t_s, 0.0) / SAMPLE_PERIOD_S, len(self._reference) - 1.0)
        low = min(int(place), len(self._reference) - 2)
        share = place - low
        return (1 - share) * self._reference[low] + share * self._reference[low + 1]

    def action(self, ahead_s: float) -> rm75.Array:
        """Target (8,) a period ahead of now; plans at first, and again where the thing was lost.

        Raises:
            PlanError: what is asked cannot be done from here.
        """
        if self._attempts == 0 or (self._attempts < MAX_ATTEMPTS and self._lost()):
            self.plan()
        return self.target(self._world.time_s - self._planned_at_s + ahead_s)

    def _lost(self) -> bool:
        """The thing should be in the hand and is not."""
        now = self._world.time_s - self._planned_at_s
        if not self._held_from_s < now < self._held_until_s:
            return False
        return not self._world.grip_contacts()[self._asked.thing].any

    def _lifted_m(self) -> float:
        name = self._asked.thing
        return float(self._world.object_pose(name)[2, 3]) - self._scene.table.things[name].thing.rest_m

    def _hold(self, table: Table, state: rm75.Array) -> Hold | None:
        """How the thing is held where it is lifted as asked, else None."""
        contact, lifted = self._world.grip_contacts()[self._asked.thing], self._lifted_m()
        if not contact.both or lifted < LIFTED_M or self._asked.contact == "push":
            return None
        laid, here = table.things[self._asked.thing], measured_waypoint(state)
        frame = grasp_frame(laid)
        off = [hypot(*(here.tool_m[:2] - frame.point_m(grasp.xy_m))) for grasp in laid.thing.grasps]
        nearest = laid.thing.grasps[int(np.argmin(off))]
        if self._asked.part not in (None, nearest.part) or min(off) > FROM_GRASP_M:
            return None
        x, y = here.tool_m[:2] - laid.xy_m
        c, s = cos(laid.yaw_rad), sin(laid.yaw_rad)
        at = (float(c * x + s * y), float(-s * x + c * y))
        height = max(float(here.tool_m[2]) - lifted, MIN_TOOL_HEIGHT_M)
        return Hold(replace(nearest, xy_m=at, height_m=height), here.yaw_rad)

    def _free(self, state: rm75.Array) -> list[Step]:
        """Steps before a grasp: put down what is in the hand, let go, and go up."""
        here, steps = measured_waypoint(state), []
        if self._world.grip_contacts()[self._asked.thing].any:
            down = here.tool_m - (0.0, 0.0, max(self._lifted_m(), 0.0))
            down[2] = max(float(down[2]), MIN_TOOL_HEIGHT_M)
            here = Waypoint(down, here.yaw_rad, here.opening)
            steps.append(Step(here))
            here = here.with_opening(1.0, GRIP_S)
            steps.append(Step(here, duration_s=GRIP_S))
        if here.tool_m[2] < SAFE_HEIGHT_M - 0.01:
            steps.append(Step(Waypoint(np.array([*here.tool_m[:2], SAFE_HEIGHT_M]), here.yaw_rad, 1.0)))
        return steps

    def _sample(self, state: rm75.Array, plan: Plan, before: list[Step]) -> None:
        here, joints = measured_waypoint(state), state[:7]
        steps = [*before, *plan.steps]
        pieces, lengths = [state[None]], []
        for step in steps:
            piece = sample_step(joints, here, step)
            pieces.append(piece)
            lengths.append(len(piece))
            joints, here = piece[-1, :7], step.end
        ends = np.concatenate([[0.0], np.cumsum(lengths)]) * SAMPLE_PERIOD_S
        self._held_from_s = float(ends[plan.carries + len(before)]) + 0.1
        self._held_until_s = float(ends[plan.releases + len(before)])
        self._reference = np.concatenate(pieces)


def expert_of(env: KineBenchEnv) -> BenchExpert:
    """Return the expert for the running episode of an environment."""
    return BenchExpert(env.world, env.instruction)


def _rest_of(turn_rad: float, turned_rad: float) -> float:
    """What is left of a turn, the short way round where it was done already."""
    rest = turn_rad - turned_rad
    return rest if abs(rest) < pi + 0.1 else wrap_full_turn(rest)


def table_now(world: World, scene: BenchScene) -> Table:
    """How everything lies now."""
    things = {}
    for name, laid in scene.table.things.items():
        pose = world.object_pose(name)
        yaw = float(np.arctan2(pose[1, 0], pose[0, 0]))
        things[name] = Laid(laid.thing, (float(pose[0, 3]), float(pose[1, 3])), yaw)
    return replace(scene.table, things=things)
