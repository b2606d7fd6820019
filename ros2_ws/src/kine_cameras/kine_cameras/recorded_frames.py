"""Images of recordings with their times: video files, folders, bags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kine_nodes.image_conversion import ImageError, compressed_to_rgb

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
LONGEST_PAUSE_S = 60.0
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
    from kinevla.data.bags import open_bag  # some time to import: only where a bag is played
    from kinevla.data.packing import DataError

    try:
        with open_bag(path) as bag:
            held = {name: item for name, item in bag.topics.items() if item.type in _IMAGE_TYPES}
            cut_off = bag.cut_off
    except DataError as error:
        raise ValueError(str(error)) from error
    known = sorted(name for name, item in held.items() if item.messages)
    if topic in known:
        return topic
    if not topic and len(known) == 1:
        return known[0]
    told = f"topic is '{topic}', must be one of the bag's images: {', '.join(known) or 'none'}"
    raise ValueError("; ".join((told, *cut_off)))


def _bag(path: Path, topic: str) -> TimedImages:
    from kinevla.data.bags import open_bag
    from kinevla.data.packing import DataError
    from kinevla.data.streams import message_pixels

    elapsed_s, newest_ns = 0.0, 0
    try:
        with open_bag(path) as bag:
            for raw in bag.messages((topic,)):
                try:
                    pixels = np.array(message_pixels(raw))
                except (DataError, ImageError):  # one bad message costs one image
                    continue
                step_s = (raw.stamp_ns - newest_ns) / 1e9
                newest_ns = raw.stamp_ns
                # Nobody waits for a clock that was set while recording, or that did not run yet.
                elapsed_s += step_s if 0.0 < step_s <= LONGEST_PAUSE_S else 0.0
                yield elapsed_s, pixels
    except DataError as error:
        raise ValueError(str(error)) from error


def _rgb(bgr: Any) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
