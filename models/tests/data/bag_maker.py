"""Small recordings for tests: two cameras, joints and targets, written with `rosbags`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from kinevla.data.images import encode_jpeg

NAMES = [*(f"joint_{n}" for n in range(1, 8)), "gripper"]
START_NS = 1_700_000_000 * 10**9
STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types


def header(stamp_ns: int):
    stamp = TYPES["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="")


def image(stamp_ns: int, pixels: np.ndarray):
    height, width = pixels.shape[:2]
    return TYPES["sensor_msgs/msg/Image"](
        header=header(stamp_ns), height=height, width=width, encoding="rgb8", is_bigendian=0,
        step=3 * width, data=np.ascontiguousarray(pixels).reshape(-1),
    )  # fmt: skip


def joints(stamp_ns: int, values: np.ndarray, names=NAMES):
    none = np.zeros(0)
    return TYPES["sensor_msgs/msg/JointState"](
        header=header(stamp_ns), name=list(names), position=np.asarray(values, float), velocity=none,
        effort=none,
    )  # fmt: skip


def chunk(stamp_ns: int, values: np.ndarray, period_ns: int):
    point, duration = (
        TYPES["trajectory_msgs/msg/JointTrajectoryPoint"],
        TYPES["builtin_interfaces/msg/Duration"],
    )
    none = np.zeros(0)
    points = [
        point(positions=row, velocities=none, accelerations=none, effort=none,
              time_from_start=duration(sec=0, nanosec=(k + 1) * period_ns))
        for k, row in enumerate(values)
    ]  # fmt: skip
    return TYPES["trajectory_msgs/msg/JointTrajectory"](
        header=header(stamp_ns), joint_names=NAMES, points=points
    )


def pose(seconds: float) -> np.ndarray:
    """Joints at a time: they move all the while."""
    return np.array([*(0.1 * (n + 1) * seconds for n in range(7)), float(seconds > 0.5)])


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A smooth picture, so that films lose little."""
    corners = rng.uniform(20, 230, (2, 3))
    ramp = np.linspace(0, 1, width)[None, :, None]
    return np.broadcast_to(corners[0] * (1 - ramp) + corners[1] * ramp, (height, width, 3)).astype(np.uint8)


def write_bag(
    path: Path, *, seconds=1.5, image_hz=20, joint_hz=100, size=(160, 200), targets="teleop", plugin="mcap",
    instruction="pick up the bread and move it to the front", lost=(), still=False, without=(), change=None,
    compressed=False, **info,
):  # fmt: skip
    """Write a recording and return its images by (camera, stamp) and its joints by stamp.

    Topics `without` are left out; `change(topic, message)` gives what is written instead of a message.
    """
    rng = np.random.default_rng(0)
    messages, images, states = [], {}, {}
    for k in range(int(seconds * joint_hz) + 1):
        stamp = START_NS + k * 10**9 // joint_hz
        states[stamp] = pose(0.0 if still else k / joint_hz)
        messages.append((stamp, "/joint_states", joints(stamp, states[stamp])))
        if targets == "teleop":
            messages.append((stamp, "/kine_teleop/target", joints(stamp, states[stamp] + 0.01)))
    for k in range(int(seconds * image_hz) + 1):
        stamp = START_NS + k * 10**9 // image_hz
        if k in lost:
            continue
        for camera in ("front", "wrist"):
            images[camera, stamp] = picture(rng, *size)
            topic = f"/{camera}/color/image_raw"
            if compressed:
                content = np.frombuffer(encode_jpeg(images[camera, stamp]), np.uint8)
                kind = TYPES["sensor_msgs/msg/CompressedImage"]
                message = kind(header=header(stamp), format="rgb8; jpeg compressed bgr8", data=content)
                messages.append((stamp, f"{topic}/compressed", message))
            else:
                messages.append((stamp, topic, image(stamp, images[camera, stamp])))
    if targets == "chunks":
        for k in range(3):
            stamp = START_NS + k * 5 * 10**8
            values = np.stack([pose(0.5 * k + 0.1 * j) for j in range(1, 6)])
            messages.append((stamp, "/realman_driver/joint_trajectory", chunk(stamp, values, 10**8)))
    storage = StoragePlugin.MCAP if plugin == "mcap" else StoragePlugin.SQLITE3
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for stamp, topic, message in sorted(messages, key=lambda item: item[0]):
            if topic in without:
                continue
            message = message if change is None else change(topic, message)
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], stamp, STORE.serialize_cdr(message, kind))
    if instruction is not None:
        (path / "episode.json").write_text(json.dumps({"format": 1, "instruction": instruction} | info))
    return images, states
