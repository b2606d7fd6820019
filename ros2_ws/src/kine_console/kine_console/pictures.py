"""Received image messages to JPEG for the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from kine_nodes.image_conversion import compressed_to_rgb, image_to_rgb, rgb_to_jpeg
from kinevla.observation.encodings import channels_exchanged
from kinevla.observation.image_bounds import check_compressed

IMAGE_TYPES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
_JPEG_START = b"\xff\xd8\xff"


def encoder(transport: str, quality: int) -> Callable[[bytes], bytes]:
    """A function from the bytes of a raw subscription to JPEG; it raises ImageError with the reason."""
    if transport == "raw":
        return lambda data: rgb_to_jpeg(image_to_rgb(deserialize_message(data, Image)), quality)

    def compressed(data: bytes) -> bytes:
        message: Any = deserialize_message(data, CompressedImage)
        content = bytes(message.data)
        check_compressed(content)
        if content.startswith(_JPEG_START) and not channels_exchanged(message.format):
            return content
        return rgb_to_jpeg(compressed_to_rgb(content, message.format), quality)

    return compressed
