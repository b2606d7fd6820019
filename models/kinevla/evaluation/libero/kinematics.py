"""Kinematics checks: was it done the way the fine sentence asks? Each explains itself with figures."""

from __future__ import annotations

from math import acos, degrees
from typing import Literal

import numpy as np

from kinevla.evaluation.libero.frames import Array, LiberoTrace
from kinevla.evaluation.libero.goals import Check
from kinevla.evaluation.libero.limits import LIMITS
from kinevla.evaluation.libero.viewer import Direction, View, direction_vector

Amount = Literal["slightly", "halfway", "completely"]


def grasp_edge(trace: LiberoTrace, view: View, *, name: str, side: Direction) -> Check:
    """Judge which edge of a round object the fingers took, seen from its middle at the time of the grasp."""
    index = trace.grasp(name)
    if index is None:
        return False, f"{name} was never in the fingers; asked: {side} edge"
    frame = trace.frames[index]
    arm = frame.bodies[name].pose.rotation @ np.mean(frame.contacts[name], axis=0)
    across, depth = (float(arm @ direction_vector(d, view)) for d in ("right", "back"))
    asked = direction_vector(side, view)
    turned = _angle(arm * [1, 1, 0], asked)
    where = max(
        (("right", across), ("left", -across), ("back", depth), ("front", -depth)), key=lambda w: w[1]
    )[0]
    return turned <= LIMITS.edge_degrees, (
        f"{name} was grasped at its {where} edge, {turned:.0f} degrees from the {side}; asked: {side} edge, "
        f"within {LIMITS.edge_degrees:.0f}"
    )


def grasp_part(
    trace: LiberoTrace, view: View, *, name: str, part: Literal["neck", "body", "middle"]
) -> Check:
    """Judge where along its longest axis an object was grasped; the end that is up at the start is 1."""
    index = trace.grasp(name)
    if index is None:
        return False, f"{name} was never in the fingers; asked: {part}"
    frame = trace.frames[index]
    body = frame.bodies[name]
    size = body.high_m - body.low_m
    axis = int(np.argmax(size))
    point = np.mean(frame.contacts[name], axis=0)
    share = float((point[axis] - body.low_m[axis]) / size[axis])
    if trace.first.bodies[name].pose.rotation[2, axis] < 0.0:
        share = 1.0 - share
    low, high = {"neck": (LIMITS.neck_from, 1.1), "body": (-0.1, LIMITS.body_to), "middle": LIMITS.middle}[
        part
    ]
    return low <= share <= high, (
        f"{name} was grasped at {share * 100:.0f} % of its length; asked: {part}, "
        f"{max(low, 0) * 100:.0f} to {min(high, 1) * 100:.0f} %"
    )


def placed_section(trace: LiberoTrace, view: View, *, name: str, site: str, section: Direction) -> Check:
    """Judge on which side of a region's middle line the object ended."""
    offset = trace.last.bodies[name].pose.position_m - trace.last.sites[site].pose.position_m
    away = float(offset @ direction_vector(section, view))
    return away >= LIMITS.section_m, (
        f"{name} ended {away * 100:.1f} cm to the {section} of the middle of {site}; asked: at least "
        f"{LIMITS.section_m * 100:.0f} cm"
    )


def placed_centre(trace: LiberoTrace, view: View, *, name: str, target: str) -> Check:
    """Judge whether the object ended in the middle of a region or another object."""
    last = trace.last
    pose = last.sites[target].pose if target in last.sites else last.bodies[target].pose
    distance = float(np.linalg.norm((last.bodies[name].pose.position_m - pose.position_m)[:2]))
    return distance <= LIMITS.centre_m, (
        f"{name} ended {distance * 100:.1f} cm from the middle of {target}; asked: within "
        f"{LIMITS.centre_m * 100:.0f} cm"
    )


def label_direction(
    trace: LiberoTrace, view: View, *, name: str, facing: Direction, at_start: Direction = "front"
) -> Check:
    """Judge where the label faces at the end, given where it faced at the start (assumed)."""
    turn = trace.last.bodies[name].pose.rotation @ trace.first.bodies[name].pose.rotation.T
    label = turn @ direction_vector(at_start, view)
    if np.linalg.norm(label[:2]) < 0.5:
        return False, f"the label of {name} faces up or down; asked: {facing}"
    off = _angle(label * [1, 1, 0], direction_vector(facing, view))
    return off <= LIMITS.label_degrees, (
        f"the label of {name} faces {off:.0f} degrees away from the {facing}; asked: within "
        f"{LIMITS.label_degrees:.0f}"
    )


def opening(trace: LiberoTrace, view: View, *, drawer: str, amount: Amount) -> Check:
    """Judge how far a drawer stands open at the end."""
    share = trace.last.joints[drawer].fraction
    low, high = {"slightly": LIMITS.slightly, "halfway": LIMITS.halfway, "completely": LIMITS.completely}[
        amount
    ]
    return low <= share <= high, (
        f"{drawer} stands {share * 100:.0f} % open; asked: {amount}, "
        f"{low * 100:.0f} to {min(high, 1) * 100:.0f} %"
    )


def handle_first(trace: LiberoTrace, view: View, *, drawer: str) -> Check:
    """Judge whether the fingers touched the drawer while it went from closed to its final opening."""
    shares = [frame.joints[drawer].fraction for frame in trace.frames]
    moving = [i for i in range(1, len(shares)) if shares[i] - shares[i - 1] > 0.005]
    held = sum(trace.frames[i].held(drawer) for i in moving)
    return bool(moving) and held >= 0.5 * len(moving), (
        f"the fingers touched {drawer} in {held} of {len(moving)} frames in which it opened; asked: most"
    )


def vertical_hand(trace: LiberoTrace, view: View, *, drawer: str) -> Check:
    """Judge whether the hand pointed straight down when it took the handle."""
    index = trace.grasp(drawer)
    if index is None:
        return False, f"the handle of {drawer} was never touched; asked: vertically"
    lean = _angle(trace.frames[index].tool.rotation[:, 2], np.array([0.0, 0.0, -1.0]))
    return lean <= LIMITS.vertical_degrees, (
        f"the hand leaned {lean:.0f} degrees from straight down at the handle; asked: at most "
        f"{LIMITS.vertical_degrees:.0f}"
    )


def legs(trace: LiberoTrace, view: View, *, name: str, directions: tuple[Direction, ...]) -> Check:
    """Judge whether an object went along straight legs in this order: the best corner is searched."""
    path = _moving(trace.path_m(name))[:, :2]
    vectors = [direction_vector(d, view)[:2] for d in directions]
    corners = range(1, len(path) - 1) if len(vectors) == 2 else [len(path) - 1]
    best, found = 181.0, False
    for corner in corners:
        parts = [path[corner] - path[0], path[-1] - path[corner]][: len(vectors)]
        if min(float(np.linalg.norm(p)) for p in parts) >= LIMITS.min_leg_m:
            found = True
            best = min(best, max(_angle(p, v) for p, v in zip(parts, vectors, strict=True)))
    asked = " then ".join(directions)
    if not found:
        return False, f"{name} did not move {LIMITS.min_leg_m * 100:.0f} cm along each leg; asked: {asked}"
    return best <= LIMITS.straight_degrees, (
        f"{name} moved {best:.0f} degrees off the legs {asked} at best; asked: at most "
        f"{LIMITS.straight_degrees:.0f}"
    )


def diagonal(
    trace: LiberoTrace, view: View, *, name: str, towards: tuple[Direction, Direction] | None = None
) -> Check:
    """Judge whether an object went along one slanted straight line, seen from above."""
    path = _moving(trace.path_m(name))[:, :2]
    way = path[-1] - path[0]
    length = float(np.linalg.norm(way))
    if length < LIMITS.min_leg_m:
        return False, f"{name} moved {length * 100:.1f} cm; asked: a diagonal path"
    normal = np.array([-way[1], way[0]]) / length
    bend = float(np.abs((path - path[0]) @ normal).max() / length)
    slant = float(np.abs(way).min() / np.abs(way).max())
    right_way = towards is None or all(float(way @ direction_vector(d, view)[:2]) > 0.0 for d in towards)
    asked = "" if towards is None else f" to the {'-'.join(towards)}"
    ok = bend <= LIMITS.diagonal_deviation and slant >= LIMITS.diagonal_share and right_way
    return ok, (
        f"{name} left the straight line by {bend * 100:.0f} % of its length, its smaller component is "
        f"{slant * 100:.0f} % of the larger{'' if right_way else ', another way'}; asked: diagonal{asked}, "
        f"at most {LIMITS.diagonal_deviation * 100:.0f} %, at least {LIMITS.diagonal_share * 100:.0f} %"
    )


def pushed_from_centre(trace: LiberoTrace, view: View, *, name: str) -> Check:
    """Judge whether the hand was at the object's middle when it first touched it."""
    touched = [frame for frame in trace.frames if frame.held(name)]
    if not touched:
        return False, f"{name} was never touched; asked: the hand at its centre"
    offset = touched[0].tool.position_m - touched[0].bodies[name].pose.position_m
    distance = float(np.linalg.norm(offset[:2]))
    return distance <= LIMITS.centre_m, (
        f"the hand met {name} {distance * 100:.1f} cm from its middle; "
        f"asked: within {LIMITS.centre_m * 100:.0f} cm"
    )


def on_table(trace: LiberoTrace, view: View, *, name: str) -> Check:
    """Judge whether a pushed object stayed on the table."""
    height = float(np.ptp(trace.path_m(name)[:, 2]))
    return height <= LIMITS.max_lift_m, (
        f"{name} changed height by {height * 100:.1f} cm; asked: along the table, at most "
        f"{LIMITS.max_lift_m * 100:.0f} cm"
    )


def released(trace: LiberoTrace, view: View, *, name: str) -> Check:
    """Judge whether the fingers took the object and let go."""
    taken, holds = trace.grasp(name) is not None, trace.last.held(name)
    state = "never took" if not taken else "still touch" if holds else "took and let go of"
    return taken and not holds, f"the fingers {state} {name}; asked: grasp, then release"


def drawer_before_grasp(trace: LiberoTrace, view: View, *, drawer: str, name: str) -> Check:
    """Judge whether the drawer was fully open before the object was grasped."""
    index = trace.grasp(name)
    if index is None:
        return False, f"{name} was never in the fingers; asked: after opening {drawer}"
    share = trace.frames[index].joints[drawer].fraction
    return share >= LIMITS.completely[0], (
        f"{drawer} was {share * 100:.0f} % open when {name} was grasped; asked: at least "
        f"{LIMITS.completely[0] * 100:.0f} %"
    )


def hand_before_knob(trace: LiberoTrace, view: View, *, knob: str, direction: Direction) -> Check:
    """Judge whether the hand moved to a side before the knob began to turn."""
    start = trace.first.joints[knob].position
    turned = [i for i, f in enumerate(trace.frames) if f.joints[knob].position - start > 0.05]
    if not turned:
        return False, f"the knob of {knob} was not turned; asked: {direction}, then turn"
    way = trace.frames[turned[0]].tool.position_m - trace.first.tool.position_m
    moved = float(way @ direction_vector(direction, view))
    return moved >= LIMITS.min_leg_m, (
        f"the hand was {moved * 100:.1f} cm to the {direction} of its start when the knob began to turn; "
        f"asked: at least {LIMITS.min_leg_m * 100:.0f} cm"
    )


def _angle(first: Array, second: Array) -> float:
    """Angle between two vectors in degrees, 180 for a vector of length 0."""
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return 180.0 if scale < 1e-9 else degrees(acos(float(np.clip(first @ second / scale, -1.0, 1.0))))


def _moving(path: Array) -> Array:
    """Drop the frames before and after the motion: within 5 mm of the start, or of the end."""
    away = np.flatnonzero(np.linalg.norm(path - path[0], axis=1) > 0.005)
    if len(away) == 0:
        return path[:2]
    return path[max(0, away[0] - 1) :]
