"""Whether the pictures of a camera can be trusted: not black, not frozen, with sensible stamps, in time."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla_policy.observation_buffer import NS_PER_S

# Every so many pixels in both directions are looked at: a few thousand, in well under a millisecond.
_STRIDE = 4


@dataclass(frozen=True)
class CameraRules:
    """Bounds for the pictures; the names are those of the node's parameters.

    Attributes:
        dark_level: mean brightness (0..255) below which a picture counts as black.
        frozen_motion_rad: joint motion during which a picture must have changed.
        max_stamp_ahead_s: how far in the future a capture time may lie.
        min_camera_rate_hz: rate below which the diagnostics warn.
    """

    dark_level: float = 8.0
    frozen_motion_rad: float = 0.1
    max_stamp_ahead_s: float = 0.05
    min_camera_rate_hz: float = 10.0


class CameraWatch:
    """Judges the pictures of one camera, in the order in which they arrive."""

    def __init__(self, rules: CameraRules) -> None:
        self._rules = rules
        self._digest = b""
        self._joints_then: NDArray[np.float64] | None = None
        self._last_stamp_ns = 0
        self._arrivals_s: deque[float] = deque(maxlen=240)
        self.jumps_back = 0

    def judge(
        self,
        stamp_ns: int,
        now_ns: int,
        pixels: NDArray[np.uint8],
        joints_rad: NDArray[np.float64] | None,
    ) -> str | None:
        """Look at a picture.

        Args:
            stamp_ns: capture time.
            now_ns: time of arrival, on the same clock.
            pixels: (H, W, 3).
            joints_rad: (7,) newest measured joints, None while unknown.

        Returns:
            None, or why nothing may be planned from it.
        """
        self._arrivals_s.append(now_ns / NS_PER_S)
        if stamp_ns < self._last_stamp_ns:
            self.jumps_back += 1
        self._last_stamp_ns = stamp_ns
        ahead_s = (stamp_ns - now_ns) / NS_PER_S
        if ahead_s > self._rules.max_stamp_ahead_s:
            return (
                f"its stamp is {ahead_s:.3f} s in the future, at most {self._rules.max_stamp_ahead_s:.3f} s"
            )
        sample = np.ascontiguousarray(pixels[::_STRIDE, ::_STRIDE])
        brightness = float(sample.mean())
        if brightness < self._rules.dark_level:
            return (
                f"it is black: mean brightness {brightness:.1f} of 255, at least {self._rules.dark_level:.1f}"
            )
        return self._frozen(sample, joints_rad)

    def rate_hz(self, now_ns: int) -> float:
        """Pictures of the last second."""
        now_s = now_ns / NS_PER_S
        return float(sum(1 for arrival_s in self._arrivals_s if 0.0 <= now_s - arrival_s <= 1.0))

    def _frozen(self, sample: NDArray[np.uint8], joints_rad: NDArray[np.float64] | None) -> str | None:
        """The same picture although the arm, which both cameras see, has moved."""
        digest = hashlib.blake2b(sample.tobytes(), digest_size=16).digest()
        if digest != self._digest or joints_rad is None or self._joints_then is None:
            self._digest, self._joints_then = digest, joints_rad
            return None
        moved_rad = float(np.abs(joints_rad - self._joints_then).max())
        if moved_rad > self._rules.frozen_motion_rad:
            return f"it is frozen: unchanged while a joint moved by {moved_rad:.3f} rad"
        return None
