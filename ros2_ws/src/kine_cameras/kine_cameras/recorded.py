"""A recording in place of a camera: a video file, a folder of images, or a rosbag2."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kine_cameras import recorded_frames
from kine_cameras.source import CameraError, CameraLost, Frame, RecordingEnded


@dataclass(frozen=True)
class RecordedSettings:
    """What is played.

    Attributes:
        path: video file, folder of images, or folder of a rosbag2.
        topic: images of this topic are played from a bag (`sensor_msgs/Image` or `CompressedImage`).
        rate_hz: frames per second of a folder of images; videos and bags carry their own times.
        loop: begin again after the last frame.
    """

    path: str
    topic: str = ""
    rate_hz: float = 30.0
    loop: bool = True


class RecordedSource:
    """Plays a recording at its own pace, stamped as if it were taken now."""

    def __init__(self, settings: RecordedSettings) -> None:
        self._settings = settings
        self._frames: Iterator[tuple[float, NDArray[np.uint8]]] | None = None
        self._played = 0

    @property
    def name(self) -> str:
        """The recording."""
        return f"recording {self._settings.path}"

    def open(self) -> None:
        """Look at the recording and begin with its first frame.

        Raises:
            CameraError: not there, of no known kind, or without the topic.
        """
        self._begin()

    def read(self, timeout_s: float) -> Frame:
        """The next frame when its time has come, however long the pause in the recording is."""
        if self._frames is None:
            raise CameraLost("was closed")
        try:
            item = next(self._frames, None)
        except ValueError as error:
            raise CameraError(str(error)) from error
        if item is None:
            if self._played == 0:
                raise CameraError("holds no image that can be decoded")
            if not self._settings.loop:
                raise RecordingEnded(f"ended after {self._played} frames")
            self._begin()
            return self.read(timeout_s)
        due_s = self._started_s + item[0]
        pause_s = due_s - time.time()
        if pause_s > 0:
            time.sleep(pause_s)
        elif pause_s < -1.0:
            self._started_s -= pause_s  # behind for good: go on from here
        self._played += 1
        return Frame(item[1], time.time_ns(), None)

    def temperature_c(self) -> None:
        """None: a recording has no temperature."""
        return None

    def details(self) -> dict[str, str]:
        """The file, and that its stamps are those of playing."""
        return {"recording": self._settings.path, "stamps": "time of playing"}

    def close(self) -> None:
        """End playing."""
        self._frames = None

    def _begin(self) -> None:
        settings, path = self._settings, Path(self._settings.path).expanduser()
        try:
            self._frames = recorded_frames.frames(path, settings.topic, settings.rate_hz)
        except ValueError as error:
            raise CameraError(str(error)) from error
        self._started_s, self._played = time.time(), 0
