"""NumPy images and camera matrices as ROS messages, without a slow copy."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image


def image_message(pixels: NDArray[np.uint8], stamp: Time, frame_id: str, reuse: Image | None = None) -> Image:
    """A (height, width, 3) uint8 RGB array as `sensor_msgs/Image` rgb8.

    Args:
        pixels: the image.
        stamp, frame_id: of its header.
        reuse: a message this function gave for another image of this size, and which is not needed any more:
            it is filled anew, which saves a megabyte of fresh memory per image.
    """
    height, width, _ = pixels.shape
    if reuse is not None and (reuse.height, reuse.width) == (height, width):
        np.frombuffer(reuse.data, np.uint8)[:] = pixels.reshape(-1)
        reuse.header.stamp = stamp
        return reuse
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    # An array of bytes passes the field's setter without a check of every element. Filled by one copy.
    data = array("B")
    data.frombytes(np.ascontiguousarray(pixels).reshape(-1).data)
    message.data = data
    return message


def camera_info_message(
    size: tuple[int, int],
    matrix: NDArray[np.float64] | None,
    distortion: Sequence[float],
    model: str,
    stamp: Time,
    frame_id: str,
) -> CameraInfo:
    """Intrinsics of one camera that is not part of a stereo pair.

    Args:
        size: width and height in pixels.
        matrix: (3, 3) camera matrix in pixels; None leaves zeros, which is how ROS says "not calibrated".
        distortion, model: coefficients of a model that `sensor_msgs/CameraInfo` names.
        stamp, frame_id: those of the image.
    """
    message = CameraInfo(height=size[1], width=size[0], distortion_model=model)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    if matrix is not None:
        message.d = [float(value) for value in distortion]
        message.k = [float(value) for value in matrix.ravel()]
        message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        message.p = [float(value) for value in np.hstack([matrix, np.zeros((3, 1))]).ravel()]
    return message
