"""Any camera that OpenCV can open: UVC by the kernel's video devices, or a network stream by its URL."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

# By default OpenCV waits ten seconds for a frame, far longer than a robot may.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")

import cv2
import numpy as np

from kine_cameras.capture_mode import CaptureMode
from kine_cameras.source import CameraError, CameraLost, Frame

NS_PER_MS = 1_000_000
NETWORK_TIMEOUT_MS = 2000
# V4L2's menu of exposure modes.
_MANUAL, _AUTOMATIC = 1, 3


@dataclass(frozen=True, kw_only=True)
class UvcSettings(CaptureMode):
    """What is asked of the camera.

    Attributes:
        device: number (`0`), path (`/dev/v4l/by-id/...`, which survives replugging) or URL (`http`, `rtsp`).
    """

    device: str = "/dev/video0"


class UvcSource:
    """Frames by `cv2.VideoCapture`.

    The kernel stamps frames of its video devices when they are complete; those of a network are stamped when
    they arrive here.
    """

    def __init__(self, settings: UvcSettings) -> None:
        self._settings = settings
        self._capture: cv2.VideoCapture | None = None
        self._stamps = ""

    @property
    def name(self) -> str:
        """The device."""
        return f"camera {self._settings.device}"

    def open(self) -> None:
        """Open the device and ask for size, rate and exposure.

        Raises:
            CameraError: not there, or it gives another size.
        """
        self.close()
        settings = self._settings
        capture = self._capture = self._open()
        if not capture.isOpened():
            raise CameraError("cannot be opened")
        if not self._is_network:
            # Most UVC cameras reach their full rate only with compressed frames.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
            capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
            self._set_exposure(capture)
        size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        if size != (settings.width, settings.height):
            raise CameraError(
                f"gives {size[0]}x{size[1]} pixels where {settings.width}x{settings.height} were asked for"
            )

    def read(self, timeout_s: float) -> Frame:
        """The next frame; OpenCV's own time-out of two seconds ends a longer wait."""
        assert self._capture is not None
        good, bgr = self._capture.read()
        now_ns = time.time_ns()
        if not good:
            raise CameraLost("gives no more frames")
        stamp_ns = self._stamp_ns(now_ns)
        return Frame(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8), stamp_ns)

    def temperature_c(self) -> None:
        """Not told by these cameras."""
        return None

    def details(self) -> dict[str, str]:
        """Device, OpenCV's way to it, and what the stamps are made of."""
        if self._capture is None or not self._capture.isOpened():
            return {}
        backend = self._capture.getBackendName()
        return {"device": self._settings.device, "backend": backend, "stamps": self._stamps}

    def close(self) -> None:
        """Free the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    @property
    def _is_network(self) -> bool:
        return "://" in self._settings.device

    def _open(self) -> cv2.VideoCapture:
        device = self._settings.device
        if self._is_network:
            options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            options += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            return cv2.VideoCapture(device, cv2.CAP_FFMPEG, options)
        target: Any = int(device) if device.isdigit() else device
        return cv2.VideoCapture(target, cv2.CAP_V4L2)

    def _set_exposure(self, capture: cv2.VideoCapture) -> None:
        exposure_us = self._settings.exposure_us
        if exposure_us == 0:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _AUTOMATIC)
            return
        # UVC counts in 100 us.
        manual = capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
        if not manual or not capture.set(cv2.CAP_PROP_EXPOSURE, exposure_us / 100):
            raise CameraError(f"exposure_us is {exposure_us}, but this exposure cannot be set")

    def _stamp_ns(self, now_ns: int) -> int:
        if not self._is_network:
            # The kernel stamps by its monotonic clock. Anything else is not believed.
            taken_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS) if self._capture else 0
            age_ns = time.monotonic_ns() - taken_ns
            if 0 <= age_ns < 10_000 * NS_PER_MS:
                self._stamps = "kernel"
                return now_ns - age_ns
        self._stamps = "arrival"
        return now_ns
