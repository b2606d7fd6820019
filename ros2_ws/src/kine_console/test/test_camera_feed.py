"""The feed of a camera: a picture that cannot be shown is said on the page, and the next one is shown."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from kine_console.camera_feed import PACKET, CameraFeed
from kine_console.pictures import encoder

GOOD = cv2.imencode(".png", np.full((24, 32, 3), 90, np.uint8))[1].tobytes()
HEADER_ONLY = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (2**19).to_bytes(4, "big") * 2 + bytes(50)


def compressed(data: bytes) -> bytes:
    return bytes(serialize_message(CompressedImage(format="png", data=array("B", data))))


async def shown(feed: CameraFeed, messages: list[Any]) -> list[tuple[str, int]]:
    """What the page sees after each message: the error, and the number of the picture."""
    seen = []
    running = asyncio.create_task(feed.run(0.005, lambda: True))
    for message in messages:
        feed.put(message)
        while feed._waiting is not None:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        seen.append((feed.error, feed.number))
    assert not running.done(), "the feed has ended"
    running.cancel()
    return seen


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (compressed(HEADER_ONLY), "image has 524288 x 524288 pixels"),
        (compressed(b"\xff\xd8\xff\xe0"), "have no header with a size"),
        (compressed(b""), "neither PNG nor JPEG"),
        (b"nonsense", ""),
    ],
    ids=["bomb", "cut jpeg", "empty", "no message"],
)
def test_a_picture_that_cannot_be_shown_is_said_and_the_next_one_is_shown(bad, said):
    feed = CameraFeed(0, "front", encoder("compressed", 80))
    (error, none), (after, number) = asyncio.run(shown(feed, [bad, compressed(GOOD)]))
    assert error and said in error and "\n" not in error
    assert (none, after, number) == (0, "", 1)
    assert feed.packet[PACKET.size :].startswith(b"\xff\xd8\xff")


def test_a_jpeg_that_would_fill_the_browser_is_not_passed_on():
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="65535 x 65535"):
        encoder("compressed", 80)(compressed(bytes(data)))


def test_a_raw_image_of_an_absurd_size_is_refused():
    message = serialize_message(Image(height=2**31, width=2**31, encoding="rgb8", step=2**32 - 1))
    with pytest.raises(ValueError, match="a side may have at most"):
        encoder("raw", 80)(bytes(message))
