"""Pixels of ROS image messages as RGB, by the message's own word for their order, live and recorded.

What the word leaves open is refused by name. A guess would exchange red and blue, or show a mosaic as grey,
without any error being raised.
"""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinevla.bounded import printable
from kinevla.observation.image_bounds import ImageError, check_compressed, check_size

_MAX_NAME = 64
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
# Two pixels share four bytes; each spelling is that of some driver or of sensor_msgs/image_encodings.
_UYVY = ("uyvy", "yuv422", "yuv422_uyvy")
_YUYV = ("yuyv", "yuv422_yuy2", "yuv422_yuyv", "yuy2")
_CHANNELS |= dict.fromkeys((*_UYVY, *_YUYV), 2)
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    **dict.fromkeys(_UYVY, cv2.COLOR_YUV2RGB_UYVY),
    **dict.fromkeys(_YUYV, cv2.COLOR_YUV2RGB_YUYV),
}
_COMPRESSED = re.compile(r"(?:(?P<source>[^;]*);)?\s*(?P<kind>jpe?g|png)(?:\s+compressed\s*(?P<target>\S*))?")
_COLOUR_TARGETS = ("", "bgr8", "rgb8", "bgra8", "rgba8")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH = 24


def raw_to_rgb(encoding: str, height: int, width: int, step: int, data: Any) -> NDArray[np.uint8]:
    """Pixels of a `sensor_msgs/Image` as (height, width, 3) RGB; of rgb8 a view of `data`.

    Args:
        encoding: the message's word, in any case.
        height, width: pixels.
        step: bytes of a row with its padding.

    Raises:
        ImageError: unknown encoding, empty or too large an image, or a buffer shorter than height x step.
    """
    word = encoding.strip().lower()
    channels = _CHANNELS.get(word)
    if channels is None:
        shown = printable(encoding, _MAX_NAME)
        raise ImageError(f"image encoding '{shown}' is not one of {', '.join(_CHANNELS)}")
    check_size(width, height)
    if step < width * channels or (channels == 2 and width % 2):
        raise ImageError(
            f"image step is {step} bytes, a row of {width} {word} pixels needs {width * channels}"
            + (" and an even width" if channels == 2 else "")
        )
    if len(data) < height * step:
        raise ImageError(f"image holds {len(data)} bytes, {height} rows of {step} need {height * step}")
    rows = np.frombuffer(data, dtype=np.uint8, count=height * step).reshape(height, step)
    pixels = rows[:, : width * channels].reshape(height, width, channels)
    return pixels if word == "rgb8" else np.asarray(cv2.cvtColor(pixels, _TO_RGB[word]), dtype=np.uint8)


def compressed_to_rgb(data: bytes, form: str = "") -> NDArray[np.uint8]:
    """Pixels of a jpeg or png as (height, width, 3) RGB.

    Args:
        form: `format` of its `sensor_msgs/CompressedImage`: "" or "jpeg" for an ordinary file, else as
            image_transport writes it, "rgb8; jpeg compressed bgr8". The last word says how the channels lie
            that an ordinary reader calls blue, green and red.

    Raises:
        ImageError: another format, a size out of bounds, or bytes that OpenCV cannot decode.
    """
    exchanged = channels_exchanged(form)
    content = bytes(data)
    check_compressed(content)
    if content.startswith(_PNG) and content[_PNG_BIT_DEPTH : _PNG_BIT_DEPTH + 1] == b"\x10":
        raise ImageError("a png of 16 bits per channel is no camera image of 8 bits (a depth image?)")
    name, end = ("PNG", b"IEND") if content.startswith(_PNG) else ("JPEG", b"\xff\xd9")
    # Some decoders fill up with grey what is missing. Cameras may pad a frame behind its end, and inside a
    # JPEG's pixels there are no such bytes.
    if end not in content:
        raise ImageError(f"a {name} of {len(content)} bytes is cut off: it has no end mark")
    try:
        decoded = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{len(content)} bytes of compressed image: {_one_line(error)}") from error
    if decoded is None:
        raise ImageError(f"{len(content)} bytes of compressed image cannot be decoded")
    check_size(decoded.shape[1], decoded.shape[0])
    return np.ascontiguousarray(decoded if exchanged else decoded[:, :, ::-1], dtype=np.uint8)


def channels_exchanged(form: str) -> bool:
    """Whether red lies where blue lies in an ordinary file.

    Raises:
        ImageError: the format is unknown, or says that the colours are not in the file.
    """
    word = form.strip().lower()
    if not word:
        return False
    shown = printable(form, _MAX_NAME)
    found = _COMPRESSED.fullmatch(word)
    if found is None:
        raise ImageError(f"compressed image format '{shown}' is not one of jpeg, png")
    source, target = (found["source"] or "").strip(), found["target"]
    if target in ("mono8", "8uc1") and source in ("", "mono8", "8uc1"):
        return False
    if target is None and source in ("", *_CHANNELS):
        return False  # an ordinary file, whatever it was made of
    if target not in _COLOUR_TARGETS or (target == "" and source not in ("mono8", "8uc1")):
        raise ImageError(
            f"compressed image format '{shown}' does not hold the camera's colours: need compressed bgr8 or "
            "rgb8, or mono8 of mono8"
        )
    return target in ("rgb8", "rgba8")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
