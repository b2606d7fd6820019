"""ROS images to NumPy and to JPEG; `kinevla.observation.encodings` says which bytes are which colours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinevla.observation.encodings import compressed_to_rgb, raw_to_rgb
from kinevla.observation.image_bounds import ImageError

__all__ = ["ImageError", "compressed_to_rgb", "image_to_rgb", "rgb_to_jpeg"]


def image_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Pixels of a `sensor_msgs/Image` as (height, width, 3) uint8 RGB; of rgb8 a view of its buffer.

    Raises:
        ImageError: unknown encoding, empty or too large an image, or a buffer shorter than height x step.
    """
    return raw_to_rgb(message.encoding, message.height, message.width, message.step, message.data)


def rgb_to_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A (height, width, 3) uint8 RGB image as a jpeg; `quality` 1..100."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
