"""Realman RM75-B: kinematic table, limits, inertias and forward kinematics.

Sources: link lengths and joint frames of the vendor's description package (ros2_rm_robot, `rm_75`),
which equal the vendor algorithm library to float precision; limits from the vendor SDK; masses and
inertias from the vendor's CAD parameter page (RM75 ontology parameters), turned into the joint
frames used here. All lengths in metres, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

JOINT_COUNT = 7
JOINT_NAMES: tuple[str, ...] = tuple(f"joint_{i}" for i in range(1, JOINT_COUNT + 1))
STATE_NAMES: tuple[str, ...] = (*JOINT_NAMES, "gripper")

BASE_TO_SHOULDER_M = 0.2405
SHOULDER_TO_ELBOW_M = 0.256
ELBOW_TO_WRIST_M = 0.210
WRIST_TO_FLANGE_M = 0.144
FLANGE_TO_TOOL_M = 0.150
"""Distance from the flange to the tool centre point between the finger pads."""

FINGER_TRAVEL_M = 0.036
"""Travel of each finger; opening 1.0 leaves a gap of twice this between the pads."""

GRIPPER_FORCE_N = 30.0
"""Most force of the gripper's motor; the coupled fingers share it, 15 N each."""

POSITION_LIMIT_RAD: Array = np.radians([178.0, 130.0, 178.0, 135.0, 178.0, 128.0, 360.0])
"""Symmetric limit of each joint (vendor SDK); the lower limit is its negative."""

VELOCITY_LIMIT_RAD_S: Array = np.array([3.14, 3.14, 3.92, 3.92, 3.92, 3.92, 3.92])
EFFORT_LIMIT_NM: Array = np.array([60.0, 60.0, 30.0, 30.0, 10.0, 10.0, 10.0])

HOME_RAD: Array = np.radians([0.0, 20.0, 0.0, 70.0, 0.0, 90.0, 0.0])
"""Rest pose: tool vertical, 30 cm in front of the base and 19 cm above the table."""


@dataclass(frozen=True)
class JointFrame:
    """Frame of one joint in its parent link: origin, rotation about x, and the joint axis."""

    origin_m: tuple[float, float, float]
    roll_rad: float
    axis: tuple[float, float, float]


@dataclass(frozen=True)
class LinkInertia:
    """Mass, centre of mass and inertia about it (xx yy zz xy xz yz) in the link frame."""

    mass_kg: float
    com_m: tuple[float, float, float]
    inertia_kg_m2: tuple[float, float, float, float, float, float]


_DOWN, _UP = radians(-90.0), radians(90.0)
JOINT_FRAMES: tuple[JointFrame, ...] = (
    JointFrame((0.0, 0.0, BASE_TO_SHOULDER_M), _DOWN, (0.0, -1.0, 0.0)),
    JointFrame((0.0, 0.0, 0.0), _UP, (0.0, 1.0, 0.0)),
    JointFrame((0.0, 0.0, SHOULDER_TO_ELBOW_M), _DOWN, (0.0, -1.0, 0.0)),
    JointFrame((0.0, 0.0, 0.0), _UP, (0.0, 1.0, 0.0)),
    JointFrame((0.0, 0.0, ELBOW_TO_WRIST_M), _DOWN, (0.0, -1.0, 0.0)),
    JointFrame((0.0, 0.0, 0.0), _UP, (0.0, 1.0, 0.0)),
    JointFrame((0.0, 0.0, WRIST_TO_FLANGE_M), 0.0, (0.0, 0.0, 1.0)),
)

LINK_INERTIAS: tuple[LinkInertia, ...] = (
    LinkInertia(1.574, (0.0002, 0.0099, -0.0133), (2.488e-3, 1.451e-3, 2.321e-3, 7.91e-6, 9.67e-6, -1.79e-4)),
    LinkInertia(
        1.217, (-0.0004, 0.0053, 0.1068), (3.489e-3, 3.439e-3, 8.927e-4, -5.61e-6, -2.91e-6, 5.84e-4)
    ),
    LinkInertia(1.110, (0.0, 0.0113, -0.0104), (1.837e-3, 1.063e-3, 1.499e-3, 4.22e-6, 2.26e-6, -3.72e-5)),
    LinkInertia(0.685, (0.0, 0.0047, 0.0847), (1.280e-3, 1.254e-3, 3.730e-4, -6.31e-7, 5.29e-7, 2.32e-4)),
    LinkInertia(0.619, (0.0001, 0.0088, -0.0129), (6.273e-4, 3.703e-4, 5.424e-4, 1.34e-6, 1.64e-6, -3.50e-5)),
    LinkInertia(0.602, (0.0, 0.0028, 0.0785), (7.831e-4, 7.663e-4, 2.900e-4, -4.68e-7, 1.40e-7, 1.20e-4)),
    LinkInertia(
        0.107, (-0.0005, 0.0003, -0.0108), (3.843e-5, 3.491e-5, 6.032e-5, -3.15e-6, -1.14e-7, 9.33e-8)
    ),
)

# Standard Denavit-Hartenberg rows (d, alpha) of the same arm; all a and offsets are zero.
_DH_D_M = (BASE_TO_SHOULDER_M, 0.0, SHOULDER_TO_ELBOW_M, 0.0, ELBOW_TO_WRIST_M, 0.0, WRIST_TO_FLANGE_M)
_DH_SIN_ALPHA = (-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 0.0)
_DH_COS_ALPHA = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def check_joints(joints_rad: ArrayLike, what: str = "joint target") -> Array:
    """Return the joints as a float array (7,), or raise.

    Args:
        joints_rad: seven joint positions in rad.
        what: how the error message calls the value.

    Raises:
        ValueError: wrong shape, a value that is not finite, or a joint beyond its limit; the
            message names the joint, its value and the bound.
    """
    joints = np.asarray(joints_rad, dtype=np.float64)
    if joints.shape != (JOINT_COUNT,):
        raise ValueError(f"{what} must have shape ({JOINT_COUNT},), got {joints.shape}")
    for name, value, limit in zip(JOINT_NAMES, joints, POSITION_LIMIT_RAD, strict=True):
        if not np.isfinite(value):
            raise ValueError(f"{what}: {name} is {value}, which is not a finite number")
        # A hair of tolerance: limits that went through float32 or degrees must pass.
        if abs(value) > limit + 1e-6:
            raise ValueError(f"{what}: {name} = {value:.4f} rad is outside its limit of +-{limit:.4f} rad")
    return joints


def check_opening(opening: float, what: str = "gripper opening") -> float:
    """Return the opening as a float within 0..1, or raise ValueError naming value and bound."""
    value = float(opening)
    if not 0.0 <= value <= 1.0:  # also refuses NaN
        raise ValueError(f"{what} = {value} is outside 0 (closed) .. 1 (open)")
    return value


def forward_kinematics(joints_rad: ArrayLike) -> Array:
    """Flange pose in the base frame as a (4, 4) matrix, for seven joint positions in rad."""
    pose = np.eye(4)
    rotation, position = np.eye(3), np.zeros(3)
    for q, d, sa, ca in zip(
        np.asarray(joints_rad, float), _DH_D_M, _DH_SIN_ALPHA, _DH_COS_ALPHA, strict=True
    ):
        position = position + d * rotation[:, 2]
        c, s = np.cos(q), np.sin(q)
        rotation = rotation @ np.array([[c, -s * ca, s * sa], [s, c * ca, -c * sa], [0.0, sa, ca]])
    pose[:3, :3], pose[:3, 3] = rotation, position
    return pose


def tool_pose(joints_rad: ArrayLike) -> Array:
    """Tool centre pose (4, 4): the flange pose moved along its z by `FLANGE_TO_TOOL_M`."""
    pose = forward_kinematics(joints_rad)
    pose[:3, 3] += FLANGE_TO_TOOL_M * pose[:3, 2]
    return pose
