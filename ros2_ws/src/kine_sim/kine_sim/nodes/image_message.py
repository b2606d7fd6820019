"""NumPy images as ROS messages, without a slow copy."""

from __future__ import annotations

import math
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image


def image_message(pixels: NDArray[np.uint8], stamp: Time, frame_id: str) -> Image:
    """A (height, width, 3) uint8 RGB array as `sensor_msgs/Image` rgb8."""
    height, width, _ = pixels.shape
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    # An array of bytes passes the field's setter without a check of every element.
    message.data = array("B", np.ascontiguousarray(pixels).tobytes())
    return message


def camera_info_message(size: tuple[int, int], fovy_deg: float, stamp: Time, frame_id: str) -> CameraInfo:
    """Intrinsics of an ideal pinhole camera with the given (width, height) and vertical field of view."""
    width, height = size
    focal = 0.5 * height / math.tan(math.radians(fovy_deg) / 2)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    message = CameraInfo(height=height, width=width, distortion_model="plumb_bob")
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.d = [0.0] * 5
    message.k = [focal, 0.0, centre_x, 0.0, focal, centre_y, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, centre_x, 0.0, 0.0, focal, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
