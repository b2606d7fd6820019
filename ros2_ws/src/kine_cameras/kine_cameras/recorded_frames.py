"""Images of recordings with their times: video files, folders, bags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kine_nodes.image_conversion import ImageError, compressed_to_rgb, image_to_rgb

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

TimedImages = Iterator[tuple[float, NDArray[np.uint8]]]
"""Seconds since the first frame, and (height, width, 3) uint8 RGB."""


def frames(path: Path, topic: str = "", rate_hz: float = 30.0) -> TimedImages:
    """Frames of a recording, decoded one at a time.

    Args:
        path: video file, folder of images (in the order of their names), or folder of a rosbag2.
        topic: of the images in a bag; may be empty when the bag has one topic of images.
        rate_hz: pace of a folder of images.

    Raises:
        ValueError: not there, of no known kind, or the bag lacks the topic.
    """
    if not path.exists():
        raise ValueError("does not exist")
    if path.is_dir() and (path / "metadata.yaml").is_file():
        return _bag(path, _image_topic(path, topic))
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise ValueError(f"holds neither images ({', '.join(IMAGE_SUFFIXES)}) nor a bag's metadata.yaml")
        return _folder(files, rate_hz)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError("is no video that can be played")
    return _video(capture)


def _folder(files: list[Path], rate_hz: float) -> TimedImages:
    for index, file in enumerate(files):
        with suppress(ImageError):
            yield index / rate_hz, compressed_to_rgb(file.read_bytes())


def _video(capture: cv2.VideoCapture) -> TimedImages:
    try:
        while True:
            good, bgr = capture.read()
            if not good:
                return
            yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0, _rgb(bgr)
    finally:
        capture.release()


def _image_topic(path: Path, topic: str) -> str:
    from rosbags.highlevel import AnyReader  # a quarter of a second to import: only where a bag is played

    with AnyReader([path]) as reader:
        known = sorted({c.topic for c in reader.connections if c.msgtype in _IMAGE_TYPES})
    if topic in known:
        return topic
    if not topic and len(known) == 1:
        return known[0]
    raise ValueError(f"topic is '{topic}', must be one of the bag's images: {', '.join(known) or 'none'}")


def _bag(path: Path, topic: str) -> TimedImages:
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        first_ns: int | None = None
        connections = [c for c in reader.connections if c.topic == topic]
        for connection, _, raw in reader.messages(connections=connections):
            message: Any = reader.deserialize(raw, connection.msgtype)
            stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
            first_ns = stamp_ns if first_ns is None else first_ns
            compressed = connection.msgtype == _IMAGE_TYPES[1]
            pixels = compressed_to_rgb(message.data) if compressed else image_to_rgb(message)
            yield (stamp_ns - first_ns) / 1e9, np.array(pixels)


def _rgb(bgr: Any) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
