"""What is asked of any camera that is opened here: size, rate and exposure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CaptureMode:
    """Size, rate and exposure; a kind of camera adds how it is found.

    Bounds (`kine_cameras.parameters`) are checked when a parameter is set; whether the camera has this mode
    is seen when it is opened.

    Attributes:
        width, height: image size in pixels.
        rate_hz: frames per second.
        exposure_us: time of exposure in microseconds; 0: automatic.
    """

    width: int = 640
    height: int = 480
    rate_hz: int = 30
    exposure_us: int = 0
