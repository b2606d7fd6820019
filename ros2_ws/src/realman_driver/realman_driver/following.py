"""Whether the arm follows what it is sent: the measured position against the frames of the last moments.

An arm lags behind its setpoint, and how much is not known beforehand. So each joint is compared with where
its setpoint has been lately: within what it was sent in the last `lag_s`, and `error_rad` beyond, it follows.
An arm that is held, a joint that is stuck, a controller that plays no frames or somebody else's, and
positions that are frozen in the datagrams all look the same: the setpoint goes on, the measured position does
not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .arm_model import JOINT_NAMES

# Frames kept: 2 s at the shortest period, as much as the longest lag.
HISTORY = 400


@dataclass(frozen=True)
class FollowingBounds:
    """When a joint does not follow.

    Attributes:
        error_rad: how far it may be from all setpoints of the last `lag_s`, for longer than `error_s`.
        error_s: see there.
        lag_s: see there.
        gap_rad: how far it may be from its present setpoint, at any time.
    """

    error_rad: float = 0.05
    error_s: float = 0.1
    lag_s: float = 0.15
    gap_rad: float = 0.4


class Following:
    """Compares in the thread of the datagrams; frames are noted from another thread.

    Args:
        bounds: when a joint does not follow.
    """

    def __init__(self, bounds: FollowingBounds) -> None:
        self._bounds = bounds
        self._frames: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=HISTORY)
        self._beyond_since_s: float | None = None

    def restart(self) -> None:
        """Forget all frames: what is sent from now on counts."""
        self._frames.clear()
        self._beyond_since_s = None

    def frame_sent(self, position_rad: tuple[float, ...], now_s: float) -> None:
        """Note a frame (7,) rad that was sent."""
        self._frames.append((now_s, position_rad))

    def judge(self, measured_rad: tuple[float, ...], now_s: float) -> str:
        """Why the arm does not follow, or an empty text.

        Args:
            measured_rad: (7,) rad.
            now_s: monotonic time of the measurement.
        """
        bounds = self._bounds
        lately = self._sent_since(now_s - bounds.lag_s)
        if not lately:
            return ""
        gap_rad, joint = max(
            (abs(m - s), i) for i, (m, s) in enumerate(zip(measured_rad, lately[-1], strict=True))
        )
        if gap_rad > bounds.gap_rad:
            apart = _apart(joint, measured_rad, lately)
            return f"{apart}, {gap_rad:.3f} rad apart, at most {bounds.gap_rad:.3f} rad"
        error_rad, joint = max(
            (max(min(sent) - measured, measured - max(sent)), i)
            for i, (measured, sent) in enumerate(zip(measured_rad, zip(*lately, strict=True), strict=True))
        )
        if error_rad <= bounds.error_rad:
            self._beyond_since_s = None
            return ""
        if self._beyond_since_s is None:
            self._beyond_since_s = now_s
        beyond_s = now_s - self._beyond_since_s
        if beyond_s < bounds.error_s:
            return ""
        apart = _apart(joint, measured_rad, lately)
        return (
            f"{apart}, for {beyond_s:.2f} s {error_rad:.3f} rad from all sent in {bounds.lag_s:.2f} s, "
            f"at most {bounds.error_rad:.3f} rad"
        )

    def _sent_since(self, past_s: float) -> list[tuple[float, ...]]:
        """Frames sent since a moment and the one that was held then, oldest first."""
        lately: list[tuple[float, ...]] = []
        for sent_s, frame in reversed(tuple(self._frames)):
            lately.append(frame)
            if sent_s <= past_s:
                break
        lately.reverse()
        return lately


def _apart(joint: int, measured_rad: tuple[float, ...], lately: list[tuple[float, ...]]) -> str:
    return (
        f"{JOINT_NAMES[joint]} does not follow: measured at {measured_rad[joint]:.3f} rad, "
        f"sent to {lately[-1][joint]:.3f} rad"
    )
