"""The arm's kinematics against the vendor: table of poses, vendor library, and the MuJoCo model."""

from __future__ import annotations

import json
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.ik import UnreachableError, gripper_yaw_near_home, vertical_tool_joints
from kine_sim.mjcf import build_model

MAX_POSITION_M = 5e-5
MAX_ANGLE_RAD = np.radians(0.01)

# Vendor library, arm RM_75 type B: joints in degrees -> x y z (m), quaternion w x y z.
VENDOR_POSES = (
    ((0, 0, 0, 0, 0, 0, 0), (0.0, 0.0, 0.8505), (1.0, 0.0, 0.0, 0.0)),
    ((0, 0, 0, 90, 0, 0, 0), (0.354, 0.0, 0.4965), (0.707107, 0.0, 0.707107, 0.0)),
    ((0, 30, 0, 60, 0, 45, 0), (0.439823, 0.0, 0.360379), (0.382683, 0.0, 0.923880, 0.0)),
    ((90, 0, 0, 0, 0, 0, 0), (0.0, 0.0, 0.8505), (0.707107, 0.0, 0.0, 0.707107)),
    ((0, 90, 0, 0, 0, 0, 0), (0.61, 0.0, 0.2405), (0.707107, 0.0, 0.707107, 0.0)),
    ((0, 0, 90, 90, 0, 0, 0), (0.0, 0.354, 0.4965), (-0.5, 0.5, -0.5, -0.5)),
    ((0, 0, 0, 0, 90, 90, 0), (0.0, 0.144, 0.7065), (-0.5, 0.5, -0.5, -0.5)),
    ((0, 0, 0, 0, 0, 90, 0), (0.144, 0.0, 0.7065), (0.707107, 0.0, 0.707107, 0.0)),
    ((0, 0, 0, 0, 0, 0, 90), (0.0, 0.0, 0.8505), (0.707107, 0.0, 0.0, 0.707107)),
    (
        (10, -20, 30, -40, 50, -60, 70),
        (-0.256481, -0.252442, 0.580097),
        (0.121331, 0.229787, 0.699560, -0.665652),
    ),
    (
        (-150, 100, -120, 110, 140, -100, 300),
        (-0.135854, 0.005619, 0.369806),
        (0.759820, 0.380013, 0.364629, 0.381196),
    ),
    ((45, 45, 45, 45, 45, 45, 45), (0.111588, 0.454992, 0.441729), (-0.326641, 0.0, 0.732538, 0.597239)),
    ((0, 20, 0, 70, 0, 90, 0), (0.297557, 0.0, 0.337061), (0.0, 0.0, 1.0, 0.0)),
)

# The vendor library keeps its state per process and prints, so it runs in a process of its own.
VENDOR_PROGRAM = """
import json, sys
from Robotic_Arm.rm_robot_interface import Algo, rm_force_type_e, rm_robot_arm_model_e
algo = Algo(rm_robot_arm_model_e.RM_MODEL_RM_75_E, rm_force_type_e.RM_MODEL_RM_B_E)
poses = [algo.rm_algo_forward_kinematics(q, 0) for q in json.load(sys.stdin)]
print("POSES", json.dumps(poses))
"""


def rotation_of(quaternion_wxyz: object) -> np.ndarray:
    matrix = np.zeros(9)
    quaternion = np.asarray(quaternion_wxyz, float)
    mujoco.mju_quat2Mat(matrix, quaternion / np.linalg.norm(quaternion))
    return matrix.reshape(3, 3)


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between rotations; exact for small angles, where arccos of the trace is not."""
    difference = a.T @ b
    vector = np.array(
        [
            difference[2, 1] - difference[1, 2],
            difference[0, 2] - difference[2, 0],
            difference[1, 0] - difference[0, 1],
        ]
    )
    return float(np.arctan2(np.linalg.norm(vector), np.trace(difference) - 1.0))


def random_joints(count: int, seed: int = 0) -> np.ndarray:
    limit = rm75.POSITION_LIMIT_RAD
    return np.random.default_rng(seed).uniform(-limit, limit, (count, rm75.JOINT_COUNT))


@pytest.fixture(scope="module")
def vendor_flanges() -> tuple[np.ndarray, list[list[float]]]:
    joints = random_joints(300)
    done = subprocess.run(
        [sys.executable, "-c", VENDOR_PROGRAM],
        input=json.dumps(np.degrees(joints).tolist()),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    line = next(text for text in done.stdout.splitlines() if text.startswith("POSES "))
    return joints, json.loads(line.removeprefix("POSES "))


class MuJoCoArm:
    def __init__(self) -> None:
        self.model = build_model()
        self.data = mujoco.MjData(self.model)

    def pose(self, joints: np.ndarray, site: str = "flange") -> np.ndarray:
        for name, value in zip(rm75.JOINT_NAMES, joints, strict=True):
            self.data.joint(name).qpos[0] = value
        mujoco.mj_kinematics(self.model, self.data)
        pose = np.eye(4)
        pose[:3, :3] = self.data.site(site).xmat.reshape(3, 3)
        pose[:3, 3] = self.data.site(site).xpos
        return pose


@pytest.fixture(scope="module")
def arm() -> MuJoCoArm:
    return MuJoCoArm()


def assert_same_pose(pose: np.ndarray, position: object, quaternion: object, rounding_m: float = 0.0) -> None:
    assert np.linalg.norm(pose[:3, 3] - np.asarray(position, float)) < MAX_POSITION_M + rounding_m
    assert angle_between(pose[:3, :3], rotation_of(quaternion)) < MAX_ANGLE_RAD


@pytest.mark.parametrize(("degrees", "position", "quaternion"), VENDOR_POSES)
def test_flange_is_where_the_vendor_table_says(
    arm: MuJoCoArm, degrees: tuple[float, ...], position: object, quaternion: object
) -> None:
    joints = np.radians(np.array(degrees, float))
    assert_same_pose(rm75.forward_kinematics(joints), position, quaternion)
    assert_same_pose(arm.pose(joints), position, quaternion)


def test_flange_equals_the_vendor_library_on_300_random_poses(
    arm: MuJoCoArm, vendor_flanges: tuple[np.ndarray, list[list[float]]]
) -> None:
    for joints, vendor in zip(*vendor_flanges, strict=True):
        assert_same_pose(rm75.forward_kinematics(joints), vendor[:3], vendor[3:])
        assert_same_pose(arm.pose(joints), vendor[:3], vendor[3:])


def test_tool_centre_is_150_mm_beyond_the_flange_in_the_model_too(arm: MuJoCoArm) -> None:
    for joints in random_joints(50, seed=1):
        assert np.allclose(arm.pose(joints, "tool"), rm75.tool_pose(joints), atol=1e-7)


def test_model_carries_vendor_masses_limits_and_efforts(arm: MuJoCoArm) -> None:
    model = arm.model
    for i, name in enumerate(rm75.JOINT_NAMES):
        body = model.body(f"link_{i + 1}")
        assert body.mass[0] == pytest.approx(rm75.LINK_INERTIAS[i].mass_kg)
        assert np.allclose(model.joint(name).range, np.array([-1, 1]) * rm75.POSITION_LIMIT_RAD[i], atol=1e-8)
        assert np.allclose(model.actuator(name).forcerange, np.array([-1, 1]) * rm75.EFFORT_LIMIT_NM[i])
    assert sum(link.mass_kg for link in rm75.LINK_INERTIAS) == pytest.approx(5.914)


def test_joint_beyond_its_limit_is_refused_and_named() -> None:
    joints = rm75.HOME_RAD.copy()
    joints[3] = 2.5
    with pytest.raises(ValueError, match=r"joint_4 = 2\.5000 rad is outside its limit of \+-2\.3562"):
        rm75.check_joints(joints)


def test_joint_that_is_not_a_number_is_refused_and_named() -> None:
    joints = rm75.HOME_RAD.copy()
    joints[6] = np.nan
    with pytest.raises(ValueError, match="joint_7 is nan"):
        rm75.check_joints(joints)


def test_vertical_inverse_kinematics_reaches_the_whole_working_ring() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        radius, angle = rng.uniform(0.22, 0.44), rng.uniform(-1.2, 1.2)
        tool = np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0.005, 0.12)])
        yaw = angle - rng.uniform(-1.5, 1.5)
        pose = rm75.tool_pose(vertical_tool_joints(tool, yaw))
        assert np.allclose(pose[:3, 3], tool, atol=1e-9)
        assert np.allclose(pose[:3, 2], (0, 0, -1), atol=1e-9)
        assert np.allclose(pose[:2, 1], (-np.sin(yaw), np.cos(yaw)), atol=1e-9)


def test_point_out_of_reach_is_refused_with_its_coordinates() -> None:
    with pytest.raises(UnreachableError, match=r"\(0\.700, 0\.000, 0\.020\) m is out of reach"):
        vertical_tool_joints((0.7, 0.0, 0.02), 0.0)


def test_gripper_never_turns_joint_7_beyond_a_quarter_turn() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        tool = np.array([rng.uniform(0.2, 0.3), rng.uniform(-0.2, 0.2), 0.02])
        joints = vertical_tool_joints(tool, gripper_yaw_near_home(tool, rng.uniform(-10, 10)))
        assert abs(joints[6]) <= np.pi / 2 + 1e-9
