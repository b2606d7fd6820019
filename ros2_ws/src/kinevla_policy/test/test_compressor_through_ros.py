from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from kine_nodes import autostart
from kine_nodes.image_conversion import compressed_to_rgb
from kine_nodes.image_message import image_message
from kine_nodes.own_domain import OwnDomain
from kinevla_policy.compressor_node import CompressorNode

TOPIC = "/front/color/image_raw"
STAMP = Time(sec=12, nanosec=345)
COLOUR = (200, 40, 90)


class Rig:
    """The compressor, and a node that is camera and listener."""

    def __init__(self) -> None:
        self.compressor, self.other = CompressorNode(), Node("camera")
        assert autostart(self.compressor)
        self.camera = self.other.create_publisher(Image, TOPIC, 1)
        self.received: list[CompressedImage] = []
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.compressor)
        self._executor.add_node(self.other)

    def listen(self) -> None:
        self.other.create_subscription(CompressedImage, f"{TOPIC}/compressed", self.received.append, 1)

    def count(self, what: str) -> int:
        return self.compressor._counts[f"{TOPIC} {what}"]

    def send_until(self, ready: Callable[[], bool], message: Image | None = None) -> bool:
        """Send the image over and over until `ready`; whether that happened within 20 s."""
        message = message or image_message(np.full((48, 64, 3), COLOUR, np.uint8), STAMP, "front_frame")
        deadline_s = time.monotonic() + 20
        while not ready() and time.monotonic() < deadline_s:
            self.camera.publish(message)
            self._executor.spin_once(timeout_sec=0.05)
        return ready()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with OwnDomain() as domain:
        rclpy.init(domain_id=domain.number)
        try:
            yield Rig()
        finally:
            rclpy.shutdown()


def test_a_listener_gets_jpegs_with_the_header_of_the_image(rig: Rig):
    rig.listen()
    assert rig.send_until(lambda: bool(rig.received))
    jpeg = rig.received[0]
    assert jpeg.header.stamp == STAMP and jpeg.header.frame_id == "front_frame"
    assert "jpeg" in jpeg.format
    assert len(jpeg.data) < 48 * 64
    assert np.abs(compressed_to_rgb(jpeg.data).astype(int) - COLOUR).max() < 6


def test_nothing_is_compressed_while_nobody_listens(rig: Rig):
    assert rig.send_until(lambda: rig.count("not needed") >= 3)
    assert rig.count("compressed") == 0


def test_a_camera_that_sends_jpegs_itself_is_left_alone(rig: Rig):
    rig.other.create_publisher(CompressedImage, f"{TOPIC}/compressed", 1)
    rig.listen()
    assert rig.send_until(lambda: TOPIC in rig.compressor._published_by_others)
    before = rig.count("compressed")
    assert rig.send_until(lambda: rig.count("not needed") >= 3)
    assert rig.count("compressed") == before


def test_an_image_that_cannot_be_read_is_counted_and_the_node_lives(rig: Rig):
    rig.listen()
    odd = Image(height=2, width=2, encoding="16UC1", step=4, data=bytes(8))
    assert rig.send_until(lambda: rig.count("refused") > 0, odd)
    assert rig.send_until(lambda: bool(rig.received))
