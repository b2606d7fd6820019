"""ROS images to NumPy, in one place.

Where `cv_bridge` imports (every ROS installation has it) it does the work; without it, NumPy views give the
same pixels for the encodings that colour cameras use.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kine_nodes.texts import MAX_NAME, printable
from kinevla.observation.image_bounds import ImageError, check_compressed, check_size

try:  # a build against another NumPy fails in other ways than ImportError
    from cv_bridge import CvBridge

    _BRIDGE: Any = CvBridge()
except Exception:
    _BRIDGE = None

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}


def image_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Pixels of a `sensor_msgs/Image` as (height, width, 3) uint8 RGB.

    For rgb8 without cv_bridge the result is a view of the message's buffer: no copy.

    Raises:
        ImageError: unknown encoding, empty or too large an image, or a buffer shorter than height x step.
    """
    encoding, height, width, step = message.encoding, message.height, message.width, message.step
    channels = _CHANNELS.get(encoding)
    if channels is None:
        shown = printable(encoding, MAX_NAME)
        raise ImageError(f"image encoding '{shown}' is not one of {', '.join(_CHANNELS)}")
    check_size(width, height)
    if step < width * channels:
        raise ImageError(
            f"image step is {step} bytes, a row of {width} {encoding} pixels needs {width * channels}"
        )
    if len(message.data) < height * step:
        raise ImageError(
            f"image holds {len(message.data)} bytes, {height} rows of {step} need {height * step}"
        )
    try:
        if _BRIDGE is not None:
            return np.asarray(_BRIDGE.imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
        return _rgb_view(message, channels)
    except Exception as error:  # cv_bridge and OpenCV have errors of their own
        raise ImageError(f"image of {width} x {height} {encoding} pixels: {_one_line(error)}") from error


def _rgb_view(message: Any, channels: int) -> NDArray[np.uint8]:
    flat = np.frombuffer(message.data, dtype=np.uint8, count=message.height * message.step)
    rows = flat.reshape(message.height, message.step)[:, : message.width * channels]
    pixels = rows.reshape(message.height, message.width, channels)
    if message.encoding == "rgb8":
        return pixels
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[message.encoding]), dtype=np.uint8)


def rgb_to_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A (height, width, 3) uint8 RGB image as a jpeg; `quality` 1..100."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def compressed_to_rgb(data: bytes) -> NDArray[np.uint8]:
    """A jpeg or png (`sensor_msgs/CompressedImage.data`) as (height, width, 3) uint8 RGB.

    Raises:
        ImageError: another format, a size out of bounds, or bytes that OpenCV cannot decode.
    """
    content = bytes(data)
    check_compressed(content)
    try:
        decoded = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{len(content)} bytes of compressed image: {_one_line(error)}") from error
    if decoded is None:
        raise ImageError(f"{len(content)} bytes of compressed image cannot be decoded")
    check_size(decoded.shape[1], decoded.shape[0])
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
