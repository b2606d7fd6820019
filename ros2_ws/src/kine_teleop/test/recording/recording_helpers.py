"""Messages and clocks for the recorder's tests."""

from __future__ import annotations

import numpy as np

from kine_teleop.recording.schemas import serialise, typestore
from kine_teleop.recording.topics import Topic

IMAGE, JOINTS = "/front/color/image_raw", "/joint_states"
T0 = 1_700_000_000_000_000_000
TOPICS = (
    Topic(IMAGE, "sensor_msgs/msg/Image", 30.0, True, True),
    Topic(JOINTS, "sensor_msgs/msg/JointState", 200.0, True),
)


def header(stamp_ns: int):
    types = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")


def image(stamp_ns: int, width: int = 32, height: int = 24) -> bytes:
    kind = "sensor_msgs/msg/Image"
    pixels = np.full(width * height * 3, stamp_ns % 251, np.uint8)
    fields = dict(height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width, data=pixels)
    return serialise(typestore().types[kind](header=header(stamp_ns), **fields), kind)


def joints(stamp_ns: int) -> bytes:
    kind = "sensor_msgs/msg/JointState"
    names = [f"joint_{i}" for i in range(1, 8)] + ["gripper"]
    empty = np.zeros(0)
    message = typestore().types[kind](
        header=header(stamp_ns), name=names, position=np.zeros(8), velocity=empty, effort=empty
    )
    return serialise(message, kind)


class Clock:
    """Time that moves when told to."""

    def __init__(self, now: int = T0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def feed(recorder, clock: Clock, seconds: float, skip_images: tuple[int, ...] = ()) -> None:
    """200 Hz joints and 30 Hz images with exact stamps."""
    begin, images = clock.now, 0
    for i in range(int(seconds * 200)):
        clock.now = begin + i * 5_000_000
        recorder.receive(JOINTS, joints(clock.now))
        if clock.now - begin >= images * 1e9 / 30:
            if images not in skip_images:
                recorder.receive(IMAGE, image(begin + int(images * 1e9 / 30)))
            images += 1
