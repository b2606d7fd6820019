"""Rate, drops and age of the frames of one camera."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from kine_cameras.source import Frame

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class FrameReport:
    """Figures of a camera.

    Attributes:
        frames: delivered since the start.
        dropped: lost between camera and here: gaps in its count, or in time where it does not count.
        repeated: not newer than the frame before, and not delivered.
        rate_hz: frames per second over the last `window_s`.
        age_s, max_age_s: from capture to delivery: of the newest frame, and the largest of the window.
    """

    frames: int
    dropped: int
    repeated: int
    rate_hz: float
    age_s: float
    max_age_s: float


class FrameStatistics:
    """Counts frames.

    Args:
        nominal_rate_hz: what the camera was asked for; gaps in time are judged by it.
        window_s: over which the rate is taken.
    """

    def __init__(self, nominal_rate_hz: float, window_s: float = 2.0) -> None:
        self._period_ns = NS_PER_S / nominal_rate_hz
        self._window_ns = int(window_s * NS_PER_S)
        self._recent: deque[tuple[int, int]] = deque()  # delivery and age, ns
        self._last: Frame | None = None
        self._frames = self._dropped = self._repeated = 0

    def take(self, frame: Frame, now_ns: int) -> bool:
        """Count a frame; False when it is not newer than the last one and must not be delivered."""
        last = self._last
        if last is not None and last.stamp_ns - NS_PER_S < frame.stamp_ns <= last.stamp_ns:
            self._repeated += 1
            return False
        if last is not None:
            self._dropped += self._gap(last, frame)
        self._last = frame
        self._frames += 1
        self._recent.append((now_ns, now_ns - frame.stamp_ns))
        self._forget(now_ns)
        return True

    def restart(self) -> None:
        """The camera was opened anew: the gap since its last frame is no drop."""
        self._last = None
        self._recent.clear()

    @property
    def frames(self) -> int:
        """Delivered since the start."""
        return self._frames

    def report(self, now_ns: int) -> FrameReport:
        """The present figures."""
        self._forget(now_ns)
        recent = list(self._recent)
        span_ns = now_ns - recent[0][0] if recent else 0
        # At least one period, so that the first frame does not count as an endless rate.
        rate_hz = len(recent) * NS_PER_S / max(span_ns + self._period_ns, self._period_ns) if recent else 0.0
        ages_s = [age / NS_PER_S for _, age in recent] or [0.0]
        return FrameReport(self._frames, self._dropped, self._repeated, rate_hz, ages_s[-1], max(ages_s))

    def _gap(self, last: Frame, frame: Frame) -> int:
        if last.number is not None and frame.number is not None:
            return max(0, frame.number - last.number - 1)
        return max(0, round((frame.stamp_ns - last.stamp_ns) / self._period_ns) - 1)

    def _forget(self, now_ns: int) -> None:
        while self._recent and now_ns - self._recent[0][0] > self._window_ns:
            self._recent.popleft()
