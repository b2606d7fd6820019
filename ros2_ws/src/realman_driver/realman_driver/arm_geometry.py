"""Where the arm is: forward kinematics, height over the table plane, distance between its own parts.

NumPy works on all poses of a way at once: that makes it cheap enough for every chunk. Poses come last in the
arrays inside, where they lie side by side in memory.

Source of the joint frames: the vendor's description package `rm_75`; lengths in metres, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arm_capsules import BODY_NAMES, CAPSULES, FINGER_CORNERS_M, FLANGE_TO_TOOL_M, LEFT, PAIRS, RIGHT

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Origin of each joint along the z axis of its parent (m); odd joints turn about -y of a frame tipped by -90
# degrees, even ones about y after tipping back, the last about z.
_ORIGIN_Z_M = (0.2405, 0.0, 0.256, 0.0, 0.210, 0.0, 0.144)
# No point of the arm is further than this from the axis of each joint before it: when a joint turns by an
# angle, nothing moves further than the angle times this, m.
REACH_M = np.array((0.79, 0.79, 0.54, 0.54, 0.33, 0.33, 0.08))

_BODY = np.array([capsule.body for capsule in CAPSULES])
_FRAME = np.minimum(_BODY, 7)  # gripper and fingers share the flange's frame
_ENDS = np.array([[capsule.start_m, capsule.end_m] for capsule in CAPSULES])
_ASIDE = np.flatnonzero(_ENDS[:, :, 1].any(axis=1))  # none is off along x
_ASIDE_FRAME = _FRAME[_ASIDE]
_RADIUS = np.array([capsule.radius_m for capsule in CAPSULES])
_FIRST = np.array([i for i, _ in PAIRS])
_SECOND = np.array([j for _, j in PAIRS])
_PAIR_RADIUS = _RADIUS[_FIRST] + _RADIUS[_SECOND]
_REACH = 0.5 * np.linalg.norm(_ENDS[:, 1] - _ENDS[:, 0], axis=1) + _RADIUS
_PAIR_REACH = _REACH[_FIRST] + _REACH[_SECOND]
# The base and the first link stand on the table by construction; the fingers are looked at more closely.
_ABOVE_TABLE = np.flatnonzero((_BODY >= 2) & (_BODY < LEFT))
_PARALLEL = 1e-12
# What the columns of `pair_distances` and `table_heights` are about.
PAIR_NAMES = tuple(f"{BODY_NAMES[_BODY[i]]} and {BODY_NAMES[_BODY[j]]}" for i, j in PAIRS)
TABLE_NAMES = tuple(BODY_NAMES[body] for body in (*_BODY[_ABOVE_TABLE], LEFT, RIGHT))


@dataclass(frozen=True)
class Shape:
    """The arm in the base frame at N poses, m.

    Attributes:
        ends_m: (2, 3, C, N) both ends of the capsules.
        tool_m: (3, N) the point between the finger tips.
        finger_z_m: (2, N) lowest corners of left and right finger, open or closed, above the base's plane.
    """

    ends_m: Array
    tool_m: Array
    finger_z_m: Array


def body_frames(joints_rad: Array) -> tuple[Array, Array]:
    """Axes and origin of base and links for N poses.

    Args:
        joints_rad: (N, 7).

    Returns:
        (3, 3, 8, N): axis (x, y, z), its component, body; and the origins (3, 8, N).
    """
    count = len(joints_rad)
    turned = np.ascontiguousarray(joints_rad.T)
    sine, cosine = np.sin(turned), np.cos(turned)
    axes, origin = np.zeros((3, 3, 8, count)), np.zeros((3, 8, count))
    for axis in range(3):
        axes[axis, axis, 0] = 1.0
    x, y, z = (axes[axis, :, 0] for axis in range(3))
    here = origin[:, 0]
    for index, length_m in enumerate(_ORIGIN_Z_M):
        if length_m:
            here = here + length_m * z
        s, c = sine[index], cosine[index]
        along, across = c * x + s * y, s * x - c * y
        if index == 6:
            x, y = along, -across
        elif index % 2:
            x, y, z = along, z, across
        else:
            x, y, z = along, -z, -across
        body = index + 1
        axes[0, :, body], axes[1, :, body], axes[2, :, body] = x, y, z
        origin[:, body] = here
    return axes, origin


def shape_of(joints_rad: Array) -> Shape:
    """Place the arm at N poses (N, 7)."""
    axes, origin = body_frames(joints_rad)
    ends = np.empty((2, 3, len(CAPSULES), len(joints_rad)))
    place, along, across = origin[:, _FRAME], axes[2][:, _FRAME], axes[1][:, _ASIDE_FRAME]
    for end in range(2):
        np.multiply(along, _ENDS[:, end, 2, None], out=ends[end])
        ends[end] += place
        ends[end][:, _ASIDE] += across * _ENDS[_ASIDE, end, 1, None]
    flange, down = origin[:, 7], axes[:, 2, 7]
    low = []
    for side in (1.0, -1.0):
        low.append((FINGER_CORNERS_M * (1.0, side, 1.0) @ down).min(axis=0) + flange[2])
    return Shape(ends, flange + FLANGE_TO_TOOL_M * axes[2, :, 7], np.array(low))


def table_heights(shape: Shape) -> Array:
    """Height of each part of `TABLE_NAMES` over the base's plane at each pose, (N, T) m."""
    links = shape.ends_m[:, 2, _ABOVE_TABLE].min(axis=0) - _RADIUS[_ABOVE_TABLE, None]
    return np.concatenate([links, shape.finger_z_m]).T


def pair_distances(shape: Shape, near_m: float = np.inf, pairs: Indices | None = None) -> Array:
    """Distance of each pair of `PAIRS` (or of some of them) at each pose, (N, P) m; negative: they overlap.

    Most pairs are far apart. Spheres around the capsules tell so: for a pair that these show to be further
    apart than `near_m` the result is their distance, which is less than the capsules'.
    """
    first, second, radius, reach = _FIRST, _SECOND, _PAIR_RADIUS, _PAIR_REACH
    if pairs is not None:
        first, second, radius, reach = first[pairs], second[pairs], radius[pairs], reach[pairs]
    middle = 0.5 * (shape.ends_m[0] + shape.ends_m[1])
    gap = middle[:, first] - middle[:, second]
    distances = np.sqrt(_dot(gap, gap)) - reach[:, None]
    pair, pose = np.nonzero(distances <= near_m)
    if len(pair):
        between = segment_distances(
            shape.ends_m[:, :, first[pair], pose], shape.ends_m[:, :, second[pair], pose]
        )
        distances[pair, pose] = between - radius[pair]
    result: Array = distances.T
    return result


def segment_distances(first: Array, second: Array) -> Array:
    """Smallest distances between line segments.

    Args:
        first, second: (2, 3, ...) their ends.

    Returns:
        (...) distances.
    """
    # Minimise |p1 + s d1 - p2 - t d2| over s and t in 0..1: free s, clamp, best t, clamp, best s for that t.
    p1, d1 = first[0], first[1] - first[0]
    p2, d2 = second[0], second[1] - second[0]
    r = p1 - p2
    a = np.maximum(_dot(d1, d1), _PARALLEL)
    e = np.maximum(_dot(d2, d2), _PARALLEL)
    b, c, f = _dot(d1, d2), _dot(d1, r), _dot(d2, r)
    s = _clip((b * f - c * e) / np.maximum(a * e - b * b, _PARALLEL))
    t = _clip((b * s + f) / e)
    s = _clip((b * t - c) / a)
    gap = r + s * d1 - t * d2
    return np.sqrt(_dot(gap, gap))


def _dot(first: Array, second: Array) -> Array:
    result: Array = first[0] * second[0]
    result += first[1] * second[1]
    result += first[2] * second[2]
    return result


def _clip(values: Array) -> Array:
    return np.minimum(np.maximum(values, 0.0), 1.0)
