"""What the setpoint was, and how far the motion had come, at a moment of the last seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

# Half the time over which a velocity is taken: one frame to either side.
_SLOPE_S = 0.01


@dataclass(frozen=True)
class MotionSample:
    """One frame: when it was computed, how far the motion had come, and the (8,) setpoint."""

    time_s: float
    motion_s: float
    setpoint: tuple[float, ...]


class MotionHistory:
    """The frames of the last seconds, by monotonic time.

    `motion_s` is a clock that runs with real time while the setpoint moves and stands still while it rests.
    A chunk is meant to be played from its observation on; time in which the arm rested has not used it up.
    """

    def __init__(self, first: MotionSample, frames_kept: int = 400) -> None:
        self._samples: deque[MotionSample] = deque([first], maxlen=frames_kept)

    def add(self, sample: MotionSample) -> None:
        """Take the newest frame; its time is not before that of the one added last."""
        self._samples.append(sample)

    @property
    def newest(self) -> MotionSample:
        """The frame added last."""
        return self._samples[-1]

    def at(self, time_s: float) -> MotionSample:
        """Motion time and setpoint at a moment, between two frames by proportion; the ends hold."""
        samples = list(self._samples)
        index = bisect_right(samples, time_s, key=lambda sample: sample.time_s)
        if index == 0:
            return samples[0]
        if index == len(samples):
            return samples[-1]
        before, after = samples[index - 1], samples[index]
        share = (time_s - before.time_s) / (after.time_s - before.time_s)
        pairs = zip(before.setpoint, after.setpoint, strict=True)
        return MotionSample(
            time_s,
            before.motion_s + share * (after.motion_s - before.motion_s),
            tuple(a + share * (b - a) for a, b in pairs),
        )

    def slope_rad_s(self, time_s: float, joints: int) -> tuple[float, ...]:
        """Mean velocity of the first `joints` values around a moment, per second of motion."""
        before, after = self.at(time_s - _SLOPE_S), self.at(time_s + _SLOPE_S)
        moved_s = after.motion_s - before.motion_s
        if moved_s <= 0.0:
            return (0.0,) * joints
        pairs = zip(before.setpoint[:joints], after.setpoint[:joints], strict=True)
        return tuple((b - a) / moved_s for a, b in pairs)
