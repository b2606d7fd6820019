"""Takes pictures for a calibration from running nodes: image and joints at the press of a key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState

from kine_cameras.calibration.board import Board
from kine_cameras.calibration.pictures import write_joints
from kine_nodes import IMAGE_BYTES, SMALL_BYTES, bounded_subscription
from kine_nodes.image_conversion import image_to_rgb
from kine_sim import rm75

STILL_S = 0.3
STILL_RAD = 0.002
"""The arm must not have moved further than this within `STILL_S` before a picture."""


class Capture(Node):
    """Keeps the newest image, and the joint states of the last second."""

    def __init__(self, camera: str) -> None:
        super().__init__("calibrate_capture")
        self._lock = threading.Lock()
        self._image: Image | None = None
        self._states: list[tuple[int, NDArray[np.float64]]] = []
        topic = f"/{camera}/color/image_raw"
        bounded_subscription(self, Image, topic, self._take_image, qos_profile_sensor_data, IMAGE_BYTES)
        states = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
        bounded_subscription(self, JointState, "/joint_states", self._take_state, states, SMALL_BYTES)

    def _take_image(self, message: Image) -> None:
        with self._lock:
            self._image = message

    def _take_state(self, message: JointState) -> None:
        by_name = dict(zip(message.name, message.position, strict=False))
        if not set(rm75.JOINT_NAMES) <= set(by_name):
            return
        state = np.array([by_name[name] for name in rm75.JOINT_NAMES])
        with self._lock:
            now_ns = _stamp_ns(message)
            kept = [item for item in self._states if now_ns - item[0] < 1_000_000_000]
            self._states = [*kept, (now_ns, state)]

    def take(self, with_joints: bool) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        """The newest image, and the joints (7,) it was taken at.

        Raises:
            ValueError: no image or no joint states yet, or the arm moved.
        """
        with self._lock:
            image, self._image = self._image, None
            states = list(self._states)
        if image is None:
            raise ValueError("no new image has come")
        pixels = np.array(image_to_rgb(image))
        if not with_joints:
            return pixels, None
        taken_ns = _stamp_ns(image)
        near = [state for stamp_ns, state in states if abs(stamp_ns - taken_ns) < STILL_S * 1e9]
        if not near:
            raise ValueError(f"no joint state within {STILL_S} s of the image")
        moved = float(np.ptp(near, axis=0).max())
        if moved > STILL_RAD:
            raise ValueError(f"the arm moved by {moved:.4f} rad around the image, bound {STILL_RAD} rad")
        return pixels, np.mean(near, axis=0)


def capture(
    folder: Path, camera: str, board: Board, with_joints: bool, ask: Callable[[str], str] = input
) -> int:
    """Take pictures until `q` is entered; the number taken. ROS must be initialised.

    Args:
        folder: for the pictures and the joints; made when missing, must hold no pictures yet.
        camera: `front` or `wrist`: images of `/<camera>/color/image_raw`.
        board: a picture without it is not kept.
        with_joints: also store the joints, for a mount.
        ask: asks the user and returns the answer.

    Raises:
        ValueError: the folder holds pictures already, or there is nobody to ask.
        OSError: a picture cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.png")):
        raise ValueError(f"{folder} holds pictures already: choose an empty one")
    node = Capture(camera)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    joints: dict[str, NDArray[np.float64]] = {}
    count = 0
    try:
        while ask(f"{count} pictures. Return takes one, q ends: ").strip().lower() != "q":
            try:
                pixels, state = node.take(with_joints)
            except ValueError as error:
                if not thread.is_alive():
                    raise ValueError("the thread that listens to ROS died") from error
                print(f"  not taken: {error}")
                continue
            name = f"{count:03}.png"
            view = board.find(name, pixels)
            if view is None:
                print("  not taken: the board was not found")
                continue
            png = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
            (folder / name).write_bytes(png.tobytes())  # says when the disk is full, unlike `cv2.imwrite`
            if state is not None:
                joints[name] = state
                write_joints(folder, joints)
            count += 1
            print(f"  {name}: {len(view.pixels)} corners")
    except EOFError as error:
        if not count:
            raise ValueError("each picture is asked for: start it in a terminal") from error
    finally:
        executor.shutdown()
        thread.join(2.0)
        node.destroy_node()
    return count


def run(folder: Path, camera: str, board: Board, with_joints: bool) -> int:
    """`capture` with ROS around it."""
    rclpy.init(args=[])
    try:
        return capture(folder, camera, board, with_joints)
    finally:
        rclpy.try_shutdown()


def _stamp_ns(message: Image | JointState) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
