"""Pictures for a calibration, taken from topics."""

import random
import re
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from drawn_board import draw
from rclpy.qos import QoSProfile
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image, JointState

from kine_cameras.calibration import Board
from kine_cameras.calibration.capture import capture
from kine_cameras.calibration.pictures import find_views, read_joints
from kine_nodes.image_message import image_message
from kine_sim import rm75

BOARD = Board()
SEEN = np.eye(4)
SEEN[:3, :3], SEEN[:3, 3] = (
    Rotation.from_euler("xyz", (15, -10, 5), degrees=True).as_matrix(),
    (-0.1, -0.07, 0.4),
)


@pytest.fixture
def robot():
    """A node in the place of camera and driver; `publish` sends the image and joint states around it."""
    rclpy.init(domain_id=random.SystemRandom().randint(20, 99))
    node = rclpy.create_node("robot")
    images = node.create_publisher(Image, "/wrist/color/image_raw", QoSProfile(depth=2))
    states = node.create_publisher(JointState, "/joint_states", QoSProfile(depth=20))

    def stamp(time_ns: int) -> Time:
        return Time(sec=time_ns // 10**9, nanosec=time_ns % 10**9)

    def publish(pixels, joints, speed_rad_s=0.0):
        while not (images.get_subscription_count() and states.get_subscription_count()):
            time.sleep(0.05)
        now_ns = time.time_ns()
        for k in range(11):
            state = JointState(name=list(rm75.STATE_NAMES))
            state.header.stamp = stamp(now_ns - (10 - k) * 20_000_000)
            state.position = [float(q) + speed_rad_s * 0.02 * k for q in joints] + [1.0]
            states.publish(state)
        images.publish(image_message(pixels, stamp(now_ns), "wrist_color_optical_frame"))
        time.sleep(0.3)

    yield SimpleNamespace(publish=publish)
    node.destroy_node()
    rclpy.try_shutdown()


def test_a_picture_is_kept_with_its_joints_only_when_arm_and_board_allow_it(robot, tmp_path, capsys):
    pixels, joints = draw(BOARD, SEEN), rm75.HOME_RAD
    steps = [
        lambda: None,
        lambda: robot.publish(pixels, joints),
        lambda: robot.publish(pixels, joints, speed_rad_s=0.1),
        lambda: robot.publish(np.full_like(pixels, 80), joints),
    ]
    asked = iter(steps)

    def ask(_: str) -> str:
        step = next(asked, None)
        if step is None:
            return "q"
        step()
        return ""

    folder = tmp_path / "pictures"
    assert capture(folder, "wrist", BOARD, True, ask) == 1
    printed = capsys.readouterr().out
    assert "no new image has come" in printed
    assert re.search(r"the arm moved by 0\.0\d+ rad around the image, bound 0\.002 rad", printed)
    assert "the board was not found" in printed
    assert read_joints(folder)["000.png"] == pytest.approx(joints, abs=1e-6)
    assert [view.name for view in find_views(folder, BOARD).views] == ["000.png"]
    with pytest.raises(ValueError, match="holds pictures already"):
        capture(folder, "wrist", BOARD, True, ask)


def test_without_a_terminal_one_sentence_says_that_it_needs_one(robot, tmp_path):
    def ask(_: str) -> str:
        raise EOFError

    with pytest.raises(ValueError, match="start it in a terminal"):
        capture(tmp_path / "pictures", "wrist", BOARD, True, ask)


def test_a_picture_that_cannot_be_written_is_not_counted_as_taken(robot, tmp_path, capsys):
    folder = tmp_path / "pictures"

    def ask(_: str) -> str:
        shutil.rmtree(folder)
        robot.publish(draw(BOARD, SEEN), rm75.HOME_RAD)
        return ""

    with pytest.raises(OSError, match=r"000\.png"):
        capture(folder, "wrist", BOARD, False, ask)
    assert "corners" not in capsys.readouterr().out
