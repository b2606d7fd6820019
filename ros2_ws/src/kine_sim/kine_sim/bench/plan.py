"""Plans the steps of the tool that do what an instruction asks, from how things lie now."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from kine_sim import layout, rm75
from kine_sim.bench.goal import Goal
from kine_sim.bench.motion import Step, check_way, way
from kine_sim.bench.table import BASE, Laid, Table, fingers, gap_m
from kine_sim.bench.things import Grasp
from kine_sim.bench.ways import PlanError, carry_ways
from kine_sim.expert import GRIP_S, Waypoint
from kine_sim.ik import UnreachableError, gripper_yaw_near_home
from kinevla.text.language import Instruction

LIFT_M = {"high": 0.138, "low": 0.044}
USUAL_LIFT_M = 0.080
APPROACH_M = 0.080
RETREAT_M = 0.110
FINGER_ROOM_M = 0.012
"""How far the fingers open to each side of what they let go."""
PUSH_SQUEEZE_M = 0.0015
"""What is pushed is dragged between fingers that close so much further than its width: a light grip."""
FINGER_GAP_M, THING_GAP_M, SWEEP_GAP_M = 0.004, 0.010, 0.006
"""Least free way of standing fingers, of a thing at its end, and of both on a way near the table."""
LOW_PASSES_M = 0.028
"""A thing that is carried low passes over what is no higher; it is lifted by 4.4 cm."""
_STAVE_RAD = pi / 6
_RELEASE_M = 0.0015


@dataclass(frozen=True)
class Hold:
    """A thing that is in the hand.

    Attributes:
        grasp: how it is held, in the thing's own frame also where that is round.
        yaw_rad: of the gripper.
    """

    grasp: Grasp
    yaw_rad: float


@dataclass(frozen=True)
class Plan:
    """Steps to the retreat after a thing was let go.

    Attributes:
        goal: how the thing ends.
        taken: the tool where the fingers close, before they do.
        steps: the first ends above the grasp, or where the carrying begins.
        carries: index of the first step with the thing in the hand.
        releases: index of the step that opens the fingers.
    """

    goal: Goal
    taken: Waypoint
    steps: tuple[Step, ...]
    carries: int
    releases: int


def find_plan(asked: Instruction, table: Table, choices: list[Goal], hold: Hold | None = None) -> Plan:
    """Return the first plan that is in reach and touches nothing else.

    Args:
        asked: what was said.
        table: how everything lies now.
        choices: how the thing may end, the plain way first.
        hold: how it is held already; None plans to take it.

    Raises:
        PlanError: there is none; the reasons of the last ones tried.
    """
    laid = table.things[asked.thing]
    reason = f"the {asked.thing} has no {asked.part}"
    for goal in choices:
        for grasp in laid.thing.grasps if hold is None else (hold.grasp,):
            if asked.part is not None and grasp.part != asked.part:
                continue
            try:
                return _plan(asked, table, goal, grasp, hold)
            except (PlanError, UnreachableError) as error:
                reason = str(error)
    raise PlanError(reason)


def grasp_frame(laid: Laid) -> Laid:
    """The frame in which grasps are told: of a round thing the viewer's, turned to the nearest stave."""
    if not laid.thing.round:
        return laid
    turns = round(laid.yaw_rad / _STAVE_RAD)
    return Laid(laid.thing, laid.xy_m, laid.yaw_rad - turns * _STAVE_RAD)


def _plan(asked: Instruction, table: Table, goal: Goal, grasp: Grasp, hold: Hold | None) -> Plan:
    laid = table.things[asked.thing]
    frame = grasp_frame(laid) if hold is None else laid
    x, y = frame.point_m(grasp.xy_m)
    yaw = gripper_yaw_near_home((x, y, 0.0), frame.yaw_rad + grasp.yaw_rad)
    yaw = yaw if hold is None else hold.yaw_rad
    end_x, end_y = Laid(laid.thing, goal.xy_m, frame.yaw_rad + goal.turn_rad).point_m(grasp.xy_m)
    surface = layout.PLATE_THICKNESS_M if goal.on_plate else 0.0
    push = asked.contact == "push"
    squeezed = max(grasp.half_width_m - PUSH_SQUEEZE_M, 0.0) / rm75.FINGER_TRAVEL_M
    shut = squeezed if push else 0.0
    released = min(1.0, grasp.opening, (grasp.half_width_m + FINGER_ROOM_M) / rm75.FINGER_TRAVEL_M)

    def at(px: float, py: float, z: float, turn: float, opening: float) -> Waypoint:
        return Waypoint(np.array([px, py, z]), yaw + turn, opening)

    down = at(x, y, grasp.height_m, 0.0, grasp.opening)
    lift = 0.0 if push else LIFT_M.get(asked.path.kind if asked.path else "", USUAL_LIFT_M)
    above = at(x, y, grasp.height_m + APPROACH_M, 0.0, grasp.opening)
    closed = at(x, y, grasp.height_m, 0.0, shut)
    first = [Step(above), Step(down), Step(closed, duration_s=GRIP_S)] if hold is None else []
    start = at(x, y, grasp.height_m + lift, 0.0, shut)
    end = at(end_x, end_y, grasp.height_m + lift + surface, goal.turn_rad, shut)
    lever = (0.0, 0.0)
    if push:  # its middle goes the way
        off = np.array(laid.xy_m) - (x, y)
        c, s = cos(yaw), sin(yaw)
        lever = (float(c * off[0] + s * off[1]), float(-s * off[0] + c * off[1]))
    low = at(end_x, end_y, grasp.height_m + surface + (0.0 if push else _RELEASE_M), goal.turn_rad, shut)
    last = [
        Step(Waypoint(low.tool_m, low.yaw_rad, released), duration_s=GRIP_S),
        Step(at(end_x, end_y, low.tool_m[2] + RETREAT_M, goal.turn_rad, released)),
    ]
    failed: ValueError = PlanError(f"the {asked.thing} has no way to where it is to end")
    for carry in carry_ways(asked, table, start, end, lever):
        steps = [*first, *([] if push else [Step(start)]), *carry, *([] if push else [Step(low)]), *last]
        plan = Plan(goal, down, tuple(steps), len(first), len(steps) - 2)
        try:
            _check(asked, table, plan)
            return plan
        except (PlanError, UnreachableError) as error:
            failed = error
    raise failed


def _check(asked: Instruction, table: Table, plan: Plan) -> None:
    """Raise where a plan leaves the reach or comes too near to something."""
    here = plan.steps[0].end
    for step in plan.steps:
        check_way(here, step)
        here = step.end
    _check_room(asked, table, plan)


def _check_room(asked: Instruction, table: Table, plan: Plan) -> None:
    laid, goal = table.things[asked.thing], plan.goal
    let_go = plan.steps[plan.releases].end
    others = table.others(asked.thing)
    # Fingers on the plate stand on it, so it is no obstacle to those that let go there.
    around = others if goal.on_plate else np.concatenate([others, table.plate])
    before = np.concatenate([others, table.plate])
    for what, tool, discs in (("holds", plan.taken, before), ("lets go of", let_go, around)):
        if what == "holds" and plan.carries == 0:
            continue  # it is in the hand
        touching = fingers((float(tool.tool_m[0]), float(tool.tool_m[1])), tool.yaw_rad, tool.opening)
        if gap_m(touching, discs) < FINGER_GAP_M:
            raise PlanError(f"no room for the fingers where the gripper {what} the {asked.thing}")
    there = Laid(laid.thing, goal.xy_m, laid.yaw_rad + goal.turn_rad).discs
    if gap_m(there, around) < THING_GAP_M:
        raise PlanError(f"no room for the {asked.thing} where it is to end")
    obstacles = BASE
    if asked.contact == "push":
        obstacles = before
    elif asked.path is not None and asked.path.kind == "low":
        obstacles = table.others(asked.thing, above_m=LOW_PASSES_M)
    _check_sweep(asked, laid, plan, obstacles)


def _check_sweep(asked: Instruction, laid: Laid, plan: Plan, obstacles: rm75.Array) -> None:
    """Raise where the thing or the fingers run into something on the way."""
    held = here = plan.taken
    for step in plan.steps[plan.carries : plan.releases]:
        for tool, yaw in zip(*way(here, step, np.linspace(0.0, 1.0, 9)), strict=True):
            turn = float(yaw) - held.yaw_rad
            off = np.array(laid.xy_m) - held.tool_m[:2]
            c, s = cos(turn), sin(turn)
            middle = (float(tool[0] + c * off[0] - s * off[1]), float(tool[1] + s * off[0] + c * off[1]))
            moved = Laid(laid.thing, middle, laid.yaw_rad + turn).discs
            grip = fingers((float(tool[0]), float(tool[1])), float(yaw), held.opening)
            if gap_m(np.concatenate([moved, grip]), obstacles) < SWEEP_GAP_M:
                raise PlanError(f"something stands in the way of the {asked.thing}")
        here = step.end
