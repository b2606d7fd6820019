"""The arm as capsules: forward kinematics, distance to the table plane, distance between its own parts.

A capsule is a line with a radius. They enclose the links as the simulator models them (tested against MuJoCo,
which would make the driver depend on a simulator; the vendor's library keeps its model in the process of the
connection, and looks at no table). NumPy works on all poses of a chunk at once: that makes it cheap enough.

Source of the joint frames: the vendor's description package `rm_75`; lengths in metres, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLANGE_TO_TOOL_M = 0.150
FINGER_TRAVEL_M = 0.036
# Bodies: 0 is the base, 1..7 the links, 8 the gripper on the flange, 9 and 10 its fingers.
BODY_NAMES = ("base", *(f"link_{number}" for number in range(1, 8)), "gripper", "finger_left", "finger_right")
_GRIPPER, _LEFT, _RIGHT = 8, 9, 10
# Origin of each joint along the z axis of its parent (m); odd joints turn about -y of a frame tipped by -90
# degrees, even ones about y after tipping back, the last about z.
_ORIGIN_Z_M = (0.2405, 0.0, 0.256, 0.0, 0.210, 0.0, 0.144)


@dataclass(frozen=True)
class Capsule:
    """Part of a body: from `start_m` to `end_m` (body frame), with a radius."""

    body: int
    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


CAPSULES: tuple[Capsule, ...] = (
    Capsule(0, (0.0, 0.0, -0.030), (0.0, 0.0, -0.030), 0.090),
    Capsule(0, (0.0, 0.0, 0.010), (0.0, 0.0, 0.130), 0.052),
    Capsule(1, (0.0, 0.080, 0.0), (0.0, 0.030, 0.0), 0.051),
    Capsule(1, (0.0, 0.0, -0.030), (0.0, 0.0, 0.030), 0.059),
    Capsule(2, (0.0, 0.0, 0.045), (0.0, 0.0, 0.200), 0.042),
    Capsule(3, (0.0, 0.038, 0.0), (0.0, 0.020, 0.0), 0.041),
    Capsule(3, (0.0, 0.0, -0.028), (0.0, 0.0, 0.028), 0.048),
    Capsule(4, (0.0, 0.0, 0.040), (0.0, 0.0, 0.160), 0.035),
    Capsule(5, (0.0, 0.034, 0.0), (0.0, 0.020, 0.0), 0.034),
    Capsule(5, (0.0, 0.0, -0.024), (0.0, 0.0, 0.024), 0.040),
    Capsule(6, (0.0, 0.0, 0.030), (0.0, 0.0, 0.100), 0.031),
    Capsule(7, (0.0, 0.0, -0.005), (0.0, 0.0, -0.005), 0.034),
    Capsule(_GRIPPER, (0.0, 0.0, 0.005), (0.0, 0.0, 0.030), 0.031),
    Capsule(_GRIPPER, (0.0, -0.030, 0.042), (0.0, 0.030, 0.042), 0.031),
    Capsule(_GRIPPER, (0.0, -0.046, 0.077), (0.0, 0.046, 0.077), 0.022),
    # The fingers slide along y with the opening: at 0 as here.
    Capsule(_LEFT, (0.0, 0.00825, 0.094), (0.0, 0.00825, 0.155), 0.0136),
    Capsule(_RIGHT, (0.0, -0.00825, 0.094), (0.0, -0.00825, 0.155), 0.0136),
)
# Over the table millimetres count: there the fingers are boxes, of which these are the corners (closed, m).
_FINGER_CORNERS_M = np.array(
    [(x, y, z) for x in (-0.010, 0.010) for y in (0.0, 0.0165) for z in (0.090, 0.159)]
)


def _may_meet(first: int, second: int) -> bool:
    """Whether two bodies can touch at all: not neighbours, nor parts joined by one link between them."""
    if first >= second or (second - first <= 2 and second <= _GRIPPER):
        return False
    if second >= _LEFT:
        return first <= 4
    return (first, second) != (5, _GRIPPER)


PAIRS = tuple(
    (i, j)
    for i, a in enumerate(CAPSULES)
    for j, b in enumerate(CAPSULES)
    if _may_meet(min(a.body, b.body), max(a.body, b.body)) and a.body < b.body
)
_BODY = np.array([capsule.body for capsule in CAPSULES])
_ENDS = np.array([[capsule.start_m, capsule.end_m] for capsule in CAPSULES])
_RADIUS = np.array([capsule.radius_m for capsule in CAPSULES])
_FIRST = np.array([i for i, _ in PAIRS])
_SECOND = np.array([j for _, j in PAIRS])
_PAIR_RADIUS = _RADIUS[_FIRST] + _RADIUS[_SECOND]
_REACH = 0.5 * np.linalg.norm(_ENDS[:, 1] - _ENDS[:, 0], axis=1) + _RADIUS
_PAIR_REACH = _REACH[_FIRST] + _REACH[_SECOND]
# The base and the first link stand on the table by construction; the fingers are looked at more closely.
_ABOVE_TABLE = np.flatnonzero((_BODY >= 2) & (_BODY < _LEFT))
_PARALLEL = 1e-12


def body_frames(joints_rad: Array) -> tuple[Array, Array]:
    """Rotation and origin of each body for N poses.

    Args:
        joints_rad: (N, 7).

    Returns:
        (N, 11, 3, 3) and (N, 11, 3); base, 7 links, gripper and fingers (these share the flange's frame).
    """
    count = len(joints_rad)
    sine, cosine = np.sin(joints_rad), np.cos(joints_rad)
    step = np.zeros((count, 7, 3, 3))
    for index in (0, 2, 4):  # Rx(-90) Ry(-q)
        step[:, index, 0, 0], step[:, index, 0, 2] = cosine[:, index], -sine[:, index]
        step[:, index, 1, 0], step[:, index, 1, 2] = sine[:, index], cosine[:, index]
        step[:, index, 2, 1] = -1.0
    for index in (1, 3, 5):  # Rx(90) Ry(q)
        step[:, index, 0, 0], step[:, index, 0, 2] = cosine[:, index], sine[:, index]
        step[:, index, 1, 0], step[:, index, 1, 2] = sine[:, index], -cosine[:, index]
        step[:, index, 2, 1] = 1.0
    step[:, 6, 0, 0], step[:, 6, 0, 1] = cosine[:, 6], -sine[:, 6]
    step[:, 6, 1, 0], step[:, 6, 1, 1] = sine[:, 6], cosine[:, 6]
    step[:, 6, 2, 2] = 1.0
    rotation = np.empty((count, 11, 3, 3))
    origin = np.zeros((count, 11, 3))
    rotation[:, 0] = np.eye(3)
    for index, length_m in enumerate(_ORIGIN_Z_M):
        origin[:, index + 1] = origin[:, index] + length_m * rotation[:, index, :, 2]
        rotation[:, index + 1] = rotation[:, index] @ step[:, index]
    rotation[:, 8:] = rotation[:, 7:8]
    origin[:, 8:] = origin[:, 7:8]
    return rotation, origin


@dataclass(frozen=True)
class Shape:
    """Where the arm is in the base frame, m: ends of the capsules (N, C, 2, 3), tool point (N, 3), lowest
    corners of left and right finger above the base's plane (N, 2)."""

    ends_m: Array
    tool_m: Array
    finger_z_m: Array


def shape_of(joints_rad: Array, opening: Array) -> Shape:
    """Place the arm.

    Args:
        joints_rad: (N, 7).
        opening: (N,) of the gripper, 0 closed to 1 open.
    """
    rotation, origin = body_frames(joints_rad)
    local = np.broadcast_to(_ENDS, (len(joints_rad), *_ENDS.shape)).copy()
    slide_m = (FINGER_TRAVEL_M * opening)[:, None]
    local[:, -2, :, 1] += slide_m
    local[:, -1, :, 1] -= slide_m
    ends = np.matmul(local, rotation[:, _BODY].swapaxes(-1, -2)) + origin[:, _BODY, None, :]
    flange, z_row = origin[:, 7], rotation[:, 7, 2]
    low = []
    for side in (1.0, -1.0):
        heights = (_FINGER_CORNERS_M * (1.0, side, 1.0)) @ z_row.T
        low.append(heights.min(axis=0) + side * slide_m[:, 0] * z_row[:, 1] + flange[:, 2])
    return Shape(ends, flange + FLANGE_TO_TOOL_M * rotation[:, 7, :, 2], np.stack(low, axis=1))


@dataclass(frozen=True)
class Clearance:
    """The smallest distance found: between what, at which of the N poses, m (negative: overlap)."""

    distance_m: float
    what: str
    pose: int


def table_clearance(shape: Shape, table_z_m: float) -> Clearance:
    """How far the arm stays above a horizontal table at `table_z_m`; base and first link do not count."""
    links = shape.ends_m[..., 2][:, _ABOVE_TABLE].min(axis=2) - _RADIUS[_ABOVE_TABLE]
    heights = np.concatenate([links, shape.finger_z_m], axis=1) - table_z_m
    pose, index = divmod(int(heights.argmin()), heights.shape[1])
    bodies = (*_BODY[_ABOVE_TABLE], _LEFT, _RIGHT)
    return Clearance(float(heights[pose, index]), BODY_NAMES[bodies[index]], pose)


def self_clearance(shape: Shape, within_m: float = np.inf) -> Clearance | None:
    """How far parts of the arm that are not neighbours stay apart; None when that is more than `within_m`.

    Most pairs are far apart: spheres around the capsules tell so, and only the rest is computed exactly.
    """
    ends = shape.ends_m
    middle = 0.5 * (ends[:, :, 0] + ends[:, :, 1])
    gap = middle[:, _FIRST] - middle[:, _SECOND]
    far_m = np.sqrt(np.einsum("...i,...i", gap, gap)) - _PAIR_REACH
    poses, pairs = np.nonzero(far_m <= within_m)
    if not len(poses):
        return None
    first, second = _FIRST[pairs], _SECOND[pairs]
    distances = segment_distances(ends[poses, first], ends[poses, second]) - _PAIR_RADIUS[pairs]
    index = int(distances.argmin())
    if distances[index] > within_m:
        return None
    what = f"{BODY_NAMES[_BODY[first[index]]]} and {BODY_NAMES[_BODY[second[index]]]}"
    return Clearance(float(distances[index]), what, int(poses[index]))


def pair_distances(shape: Shape) -> Array:
    """Distance of each pair of `PAIRS` at each pose, (N, P) m."""
    ends = shape.ends_m
    return segment_distances(ends[:, _FIRST], ends[:, _SECOND]) - _PAIR_RADIUS


def segment_distances(first: Array, second: Array) -> Array:
    """Smallest distances between line segments.

    Args:
        first, second: (..., 2, 3) their ends.

    Returns:
        (...) distances.
    """
    # Minimise |p1 + s d1 - p2 - t d2| over s and t in 0..1: free s, clamp, best t, clamp, best s for that t.
    p1, d1 = first[..., 0, :], first[..., 1, :] - first[..., 0, :]
    p2, d2 = second[..., 0, :], second[..., 1, :] - second[..., 0, :]
    r = p1 - p2
    a = np.maximum(np.einsum("...i,...i", d1, d1), _PARALLEL)
    e = np.maximum(np.einsum("...i,...i", d2, d2), _PARALLEL)
    b = np.einsum("...i,...i", d1, d2)
    c = np.einsum("...i,...i", d1, r)
    f = np.einsum("...i,...i", d2, r)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, _PARALLEL), 0.0, 1.0)
    t = np.clip((b * s + f) / e, 0.0, 1.0)
    s = np.clip((b * t - c) / a, 0.0, 1.0)
    gap = r + s[..., None] * d1 - t[..., None] * d2
    return np.asarray(np.sqrt(np.einsum("...i,...i", gap, gap)))
