"""Floods beside which a stop has to get through: `stop_floods.py KIND`, until SIGTERM.

Kinds: `small` (5 kHz of chunks of one point), `medium` (1 MB chunks at 20 Hz), `giant` (a chunk of a million
points, 104 MB, every 3 s), `pictures` (PNGs that unpack to gigabytes, at 20 Hz). All are sent as bytes, so
that the sender keeps its pace. At its end it prints how many went out.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
import zlib
from typing import Any

import rclpy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

CHUNKS, PICTURES = "/realman_driver/joint_trajectory", "/front/color/image_raw/compressed"
KINDS = {"small": 0.0002, "medium": 0.05, "giant": 3.0, "pictures": 0.05}


def chunk(points: int) -> bytes:
    """A chunk of so many points, each of 104 bytes."""
    message = JointTrajectory(joint_names=[*(f"joint_{i}" for i in range(1, 8)), "gripper"])
    message.points = [JointTrajectoryPoint(positions=[0.0] * 8)] * points
    return bytes(serialize_message(message))


def picture(side_px: int, with_pixels: bool) -> bytes:
    """A PNG of one bit per pixel, all black; its header alone without pixels."""

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = part(b"IHDR", struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0))
    pixels = zlib.compress(bytes((1 + (side_px + 7) // 8) * side_px)) if with_pixels else b""
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", pixels) + part(b"IEND", b"")


def contents(kind: str) -> list[bytes]:
    """The messages of a kind, sent in turn."""
    if kind == "pictures":
        pictures = [picture(30_000, True), picture(2**19, False)]
        return [bytes(serialize_message(CompressedImage(format="png", data=data))) for data in pictures]
    return [chunk({"small": 1, "medium": 10_000, "giant": 1_000_000}[kind])]


def main(kind: str) -> None:
    """Send until SIGTERM."""
    going = True

    def end(*_: Any) -> None:
        nonlocal going
        going = False

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, end)
    node = rclpy.create_node(f"flood_{kind}")
    messages, period_s, sent = contents(kind), KINDS[kind], 0
    if kind == "pictures":
        publisher = node.create_publisher(CompressedImage, PICTURES, 1)
    else:
        publisher = node.create_publisher(JointTrajectory, CHUNKS, 1)
    while going and not publisher.get_subscription_count():
        time.sleep(0.05)
    print(f"{len(messages[0])} bytes", flush=True)
    began_s = time.monotonic()
    while going:
        publisher.publish(messages[sent % len(messages)])
        sent += 1
        wait_s = began_s + sent * period_s - time.monotonic()
        if wait_s > 0.0:
            time.sleep(wait_s)
    rate_hz = sent / (time.monotonic() - began_s)
    print(f"{sent} messages of {len(messages[0])} bytes, {rate_hz:.1f} a second", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
