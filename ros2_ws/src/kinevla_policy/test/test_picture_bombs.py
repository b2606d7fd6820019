"""Small files that would unpack to gigabytes reach the policy: refused, said, and no stop waits for them."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from array import array

from sensor_msgs.msg import CompressedImage

from kine_nodes.own_domain import OwnDomain
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.stack import default_checkpoint

POLICY = "kinevla: policy"


def png(side_px: int, pixels: bytes = b"") -> bytes:
    """A PNG of one bit per pixel."""

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = part(b"IHDR", struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(pixels)) + part(b"IEND", b"")


def test_the_policy_lives_through_picture_bombs_and_answers_a_stop():
    domain = OwnDomain()
    command = [sys.executable, "-m", "kinevla_policy.policy_node", "--ros-args"]
    command += ["-p", f"checkpoint:={default_checkpoint()}", "-p", "image_transport:=compressed"]
    policy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ))
    client = DemoClient()
    try:
        client.wait_for("the policy", lambda: client.diagnostic(POLICY), 90.0, lambda: policy.poll() is None)
        publisher = client.node.create_publisher(CompressedImage, "/front/color/image_raw/compressed", 1)
        # The second one is a whole picture of 400 million pixels: it takes seconds and a gigabyte to decode.
        bombs = [png(2**19), png(20_000, bytes((1 + 2500) * 20_000)), b"\xff\xd8\xff", b""]
        slowest_s = 0.0
        for round_ in range(40):
            picture = CompressedImage(format="png", data=array("B", bombs[round_ % len(bombs)]))
            picture.header.stamp = client.node.get_clock().now().to_msg()
            publisher.publish(picture)
            began_s = time.monotonic()
            assert client.trigger("/kinevla/stop", 60.0).success
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        assert slowest_s < 5.0
        client.wait_for(
            "the pictures refused",
            lambda: int(client.diagnostic(POLICY).get("front images refused", 0)) > 0,
            60.0,
            lambda: policy.poll() is None,
        )
        assert client.diagnostic(POLICY)["last image refusal"].startswith("front camera: ")
    finally:
        client.close()
        policy.terminate()
        output, _ = policy.communicate(timeout=60)
        domain.close()
    assert b"Traceback" not in output, output[-3000:].decode()
