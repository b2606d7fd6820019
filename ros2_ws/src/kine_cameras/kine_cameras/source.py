"""What every camera gives, wherever its pictures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class CameraError(RuntimeError):
    """A camera that cannot be opened as asked; the text names the camera, the value and what would do."""


class CameraLost(RuntimeError):
    """A camera that was streaming and does so no more: unplugged, or silent."""


class RecordingEnded(RuntimeError):
    """The last frame of a recording that is not repeated."""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        pixels: (height, width, 3) uint8 RGB.
        stamp_ns: time of capture, ns since the epoch on this machine's clock.
        number: the camera's own count of frames, from which gaps show; None where it has none.
    """

    pixels: NDArray[np.uint8]
    stamp_ns: int
    number: int | None = None


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera with lens distortion, in the terms of `sensor_msgs/CameraInfo`.

    Attributes:
        width, height: size of the image in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; the centre of the top left pixel is (0, 0).
        distortion: coefficients of the model (k1 k2 p1 p2 k3 for plumb_bob).
        model: `plumb_bob`, `rational_polynomial` or `equidistant`.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    model: str = "plumb_bob"

    def matrix(self) -> NDArray[np.float64]:
        """The camera matrix, (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])


class Source(Protocol):
    """One camera. All calls come from one thread; opening again after `close` must be possible."""

    @property
    def name(self) -> str:
        """How messages call the camera."""
        ...

    def open(self) -> Intrinsics | None:
        """Start the stream; the intrinsics the camera itself knows, or None.

        Raises:
            CameraError: it is not there, or does not do what was asked for.
        """
        ...

    def read(self, timeout_s: float) -> Frame:
        """The next frame; waits for one up to `timeout_s`.

        Raises:
            CameraLost: no frame in time, or the camera was unplugged.
            RecordingEnded: a recording is over.
        """
        ...

    def temperature_c(self) -> float | None:
        """Temperature of the camera's electronics, None where it is not told."""
        ...

    def details(self) -> dict[str, str]:
        """What else the open camera says about itself, for the diagnostics."""
        ...

    def close(self) -> None:
        """End the stream and free the camera; safe to call twice, and on a camera that is gone."""
        ...
