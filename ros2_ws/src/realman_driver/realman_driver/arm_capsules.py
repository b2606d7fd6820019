"""The arm as capsules: lines with a radius that enclose the links as the simulator models them.

They are tested against MuJoCo, which would make the driver depend on a simulator; the vendor's library keeps
its model in the process of the connection, and looks at no table. Lengths in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLANGE_TO_TOOL_M = 0.150
FINGER_TRAVEL_M = 0.036
# Bodies: 0 is the base, 1..7 the links, 8 the gripper on the flange, 9 and 10 its fingers.
BODY_NAMES = ("base", *(f"link_{number}" for number in range(1, 8)), "gripper", "finger_left", "finger_right")
GRIPPER, LEFT, RIGHT = 8, 9, 10


@dataclass(frozen=True)
class Capsule:
    """Part of a body: from `start_m` to `end_m` (body frame), with a radius."""

    body: int
    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


def _finger(body: int, side: float) -> tuple[Capsule, ...]:
    """All the space a finger can be in: it slides along y with the opening.

    Where it is, is never known for certain (it lags behind its target, and an object holds it up), so it
    counts as being everywhere. The first two are wide enough to cover what lies between them.
    """
    inner, outer = side * 0.00825, side * (0.00825 + FINGER_TRAVEL_M)
    return (
        Capsule(body, (0.0, inner, 0.094), (0.0, inner, 0.155), 0.016),
        Capsule(body, (0.0, outer, 0.094), (0.0, outer, 0.155), 0.016),
        Capsule(body, (0.0, inner, 0.155), (0.0, outer, 0.155), 0.0136),
    )


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
    Capsule(GRIPPER, (0.0, 0.0, 0.005), (0.0, 0.0, 0.030), 0.031),
    Capsule(GRIPPER, (0.0, -0.030, 0.042), (0.0, 0.030, 0.042), 0.031),
    Capsule(GRIPPER, (0.0, -0.046, 0.077), (0.0, 0.046, 0.077), 0.022),
    *_finger(LEFT, 1.0),
    *_finger(RIGHT, -1.0),
)
# Over the table millimetres count: there the fingers are boxes, of which these are the lower corners at both
# ends of their travel (left finger; the right one is its mirror image), and the upper ones.
FINGER_CORNERS_M = np.array(
    [(x, y, z) for x in (-0.010, 0.010) for y in (0.0, 0.0165 + FINGER_TRAVEL_M) for z in (0.090, 0.159)]
)


def _may_meet(first: int, second: int) -> bool:
    """Whether two bodies can touch at all: not neighbours, nor parts joined by one link between them."""
    if first >= second or (second - first <= 2 and second <= GRIPPER):
        return False
    if second >= LEFT:
        return first <= 4
    return (first, second) != (5, GRIPPER)


PAIRS = tuple(
    (i, j) for i, a in enumerate(CAPSULES) for j, b in enumerate(CAPSULES) if _may_meet(a.body, b.body)
)
