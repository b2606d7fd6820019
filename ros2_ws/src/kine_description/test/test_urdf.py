"""The URDF against the kinematic table it is made from, by MuJoCo's own URDF reader."""

import re
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import yaml

from kine_description import Mount, make_urdf, nominal_mounts, read_mount, robot_urdf
from kine_description.urdf import CAMERA_PARENTS, FLANGE
from kine_sim import rm75
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    # Without this MuJoCo merges links at fixed joints, and their frames are gone.
    keep = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco></robot>'
    return mujoco.MjModel.from_xml_string(robot_urdf().replace("</robot>", keep))


def posed(model: mujoco.MjModel, joints_rad) -> mujoco.MjData:
    data = mujoco.MjData(model)
    for name, value in zip(rm75.JOINT_NAMES, joints_rad, strict=True):
        data.joint(name).qpos[0] = value
    mujoco.mj_forward(model, data)
    return data


def test_flange_and_tool_are_where_the_kinematic_table_has_them(model):
    rng = np.random.default_rng(0)
    for _ in range(200):
        joints = rng.uniform(-rm75.POSITION_LIMIT_RAD, rm75.POSITION_LIMIT_RAD)
        data = posed(model, joints)
        for link, wanted in (
            (FLANGE, rm75.forward_kinematics(joints)),
            ("tool", rm75.tool_pose(joints)),
        ):
            body = data.body(link)
            assert body.xpos == pytest.approx(wanted[:3, 3], abs=1e-7)
            assert body.xmat.reshape(3, 3) == pytest.approx(wanted[:3, :3], abs=1e-7)


def test_masses_inertias_and_limits_are_the_vendors(model):
    for index, inertia in enumerate(rm75.LINK_INERTIAS):
        body = model.body(f"link_{index + 1}")
        assert body.mass[0] == pytest.approx(inertia.mass_kg, abs=1e-9)
        assert body.ipos == pytest.approx(inertia.com_m, abs=1e-9)
        xx, yy, zz, xy, xz, yz = inertia.inertia_kg_m2
        moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        assert sorted(body.inertia) == pytest.approx(moments, rel=1e-5)
        joint = model.joint(rm75.JOINT_NAMES[index])
        assert joint.range[1] == pytest.approx(rm75.POSITION_LIMIT_RAD[index], abs=1e-7)
    arm_kg = sum(model.body(f"link_{i}").mass[0] for i in range(1, 8))
    assert arm_kg == pytest.approx(5.914, abs=1e-3)


def test_the_fingers_follow_the_opening_of_the_gripper():
    robot = ElementTree.fromstring(robot_urdf())
    for side in ("left", "right"):
        mimic = robot.find(f"joint[@name='finger_{side}_slide']/mimic")
        assert mimic is not None and mimic.get("joint") == "gripper"
        assert float(mimic.get("multiplier", "0")) == pytest.approx(rm75.FINGER_TRAVEL_M)
    limit = robot.find("joint[@name='gripper']/limit")
    assert limit is not None and (limit.get("lower"), limit.get("upper")) == ("0", "1")


def test_the_nominal_cameras_look_as_those_of_the_simulator_do(model):
    world = World(sample_scene(TASKS[0], 0, randomise=False), camera_size=(64, 64))
    world_model = world.model
    simulated = mujoco.MjData(world_model)
    joints = (0.3, 0.4, -0.2, 1.1, 0.5, 0.9, -0.4)
    for name, value in zip(rm75.JOINT_NAMES, joints, strict=True):
        simulated.joint(name).qpos[0] = value
    mujoco.mj_forward(world_model, simulated)
    data = posed(model, joints)
    for name in ("front", "wrist"):
        camera, frame = simulated.camera(name), data.body(f"{name}_color_optical_frame")
        assert frame.xpos == pytest.approx(camera.xpos, abs=1e-6)
        # MuJoCo's cameras look along -z with y up, optical frames along +z with y down.
        turned = camera.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
        assert frame.xmat.reshape(3, 3) == pytest.approx(turned, abs=1e-6)


def test_the_file_in_the_package_is_what_the_generator_makes():
    assert (PACKAGE / "urdf" / "rm75.urdf").read_text() == robot_urdf(), (
        "run: ros2 run kine_description make_urdf --out urdf/rm75.urdf"
    )


def mount_file(tmp_path: Path, **changes) -> Path:
    mount = {
        "parent_frame": "link_7",
        "translation_m": [0.08, 0.01, 0.04],
        "quaternion_xyzw": [0.0, 0.0, 0.7071068, 0.7071068],
    }
    path = tmp_path / "wrist_mount.yaml"
    path.write_text(yaml.safe_dump({"mount": mount | changes}))
    return path


def test_a_calibrated_mount_takes_the_place_of_the_nominal_one(tmp_path):
    robot = ElementTree.fromstring(make_urdf.urdf(wrist_mount=str(mount_file(tmp_path))))
    origin = robot.find("joint[@name='wrist_camera']/origin")
    assert origin is not None
    assert origin.get("xyz") == "0.08 0.01 0.04"
    assert [float(v) for v in origin.get("rpy", "").split()] == pytest.approx([0, 0, np.pi / 2], abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"parent_frame": "elbow"}, "parent_frame is 'elbow', must be one of base_link"),
        ({"quaternion_xyzw": [0, 0, 0, 0.5]}, "unit quaternion (length 0.5000)"),
        ({"translation_m": [0, 0, float("nan")]}, "3 finite lengths"),
        ({"translation_m": "near"}, "has no mount with"),
    ],
)
def test_a_mount_that_makes_no_sense_is_refused(tmp_path, changes, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        read_mount(mount_file(tmp_path, **changes), CAMERA_PARENTS)


def test_roll_pitch_and_yaw_give_the_rotation_back_also_where_they_are_not_unique():
    rng = np.random.default_rng(1)
    turned = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(50)]
    rotations = [r * np.sign(np.linalg.det(r)) for r in turned] + [
        m.rotation for m in nominal_mounts().values()
    ]
    rotations.append(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]))
    for rotation in rotations:
        roll, pitch, yaw = Mount("base_link", np.zeros(3), rotation).rpy_rad()
        cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
        rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        assert rz @ ry @ rx == pytest.approx(rotation, abs=1e-9)
