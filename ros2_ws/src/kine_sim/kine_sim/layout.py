"""Sizes of the tabletop objects, goal regions, and where things may stand (metres, base frame).

Directions are the viewer's, who looks from the front camera back at the robot: right is +y, left is -y,
front (towards the viewer) is +x.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from kine_sim.tasks import GoalRegion, ObjectName, Part

FRONT_CAMERA_M = (0.800, 0.0, 0.600)
FRONT_CAMERA_TARGET_M = (0.275, 0.0, 0.060)
"""The front camera stands here and looks there, with the picture's upper edge up."""

BREAD_HALF_M = (0.035, 0.020, 0.018)
"""Loaf half sizes: long axis, graspable width, height."""

CARROT_HALF_LENGTH_M = 0.080
CARROT_HALF_HEIGHT_M = 0.014
CARROT_UPPER_HALF_WIDTH_M = 0.014
CARROT_LOWER_HALF_WIDTH_M = 0.010
CARROT_GRASP_OFFSET_M = 0.040
"""The expert holds the carrot this far from its middle, at a quarter of its length from an end."""

PLATE_RADIUS_M = 0.100
PLATE_RIM_RADIUS_M = 0.112
PLATE_THICKNESS_M = 0.006
PLATE_SIDE_OFFSET_M = 0.035
"""A carrot on the left or right side of the plate is meant to lie this far from the plate's centre."""

DISTRACTOR_RADIUS_M = 0.024
DISTRACTOR_HALF_HEIGHT_M = 0.030

MIN_GOAL_RADIUS_M = 0.24
MAX_GOAL_RADIUS_M = 0.42


@dataclass(frozen=True)
class TableRegion:
    """Circular region of the table."""

    centre_m: tuple[float, float]
    radius_m: float

    def distance_m(self, xy_m: tuple[float, float]) -> float:
        """Distance of a point (x, y) from the centre of the region."""
        return hypot(xy_m[0] - self.centre_m[0], xy_m[1] - self.centre_m[1])


TABLE_REGIONS: dict[GoalRegion, TableRegion] = {
    "left_front": TableRegion((0.345, -0.160), 0.055),
    "front": TableRegion((0.385, 0.000), 0.055),
    "right_front": TableRegion((0.345, 0.160), 0.055),
}
"""Where the bread goes. The regions stand on the table, not relative to where the bread lay, so that
one camera frame in the middle of the motion is enough to tell where it has to go."""


def rest_height_m(name: ObjectName) -> float:
    """Height of an object's frame above the surface it lies on."""
    return BREAD_HALF_M[2] if name == "bread" else CARROT_HALF_HEIGHT_M


def half_length_m(name: ObjectName) -> float:
    """Half of the object's long axis."""
    return BREAD_HALF_M[0] if name == "bread" else CARROT_HALF_LENGTH_M


def grasp_offset_m(part: Part | None) -> float:
    """Where along the long axis (x of the object's frame) a part is held."""
    return {"upper": CARROT_GRASP_OFFSET_M, "lower": -CARROT_GRASP_OFFSET_M, None: 0.0}[part]


def plate_side_sign(region: GoalRegion) -> float:
    """+1 for the viewer's right half of the plate, -1 for the left half.

    Raises:
        ValueError: the region is no side of the plate.
    """
    if region not in ("plate_left", "plate_right"):
        raise ValueError(f"region {region!r} is no side of the plate")
    return 1.0 if region == "plate_right" else -1.0
