"""Time law of a planned motion: a trapezoid of speed along a path of length one."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrapezoidProfile:
    """Progress 0..1 along a path with bounded progress speed and acceleration, at rest at both ends.

    Attributes:
        speed_limit: largest progress per second, 1/s.
        acceleration_limit: largest change of it, 1/s^2.
    """

    speed_limit: float
    acceleration_limit: float

    def __post_init__(self) -> None:
        if not (self.speed_limit > 0.0 and self.acceleration_limit > 0.0):
            raise ValueError(
                f"speed limit {self.speed_limit} and acceleration limit {self.acceleration_limit} must be > 0"
            )

    @property
    def top_speed(self) -> float:
        """Progress speed actually reached; a short path never reaches the limit."""
        return min(self.speed_limit, math.sqrt(self.acceleration_limit))

    @property
    def ramp_s(self) -> float:
        """Duration of each of the two ramps, s."""
        return self.top_speed / self.acceleration_limit

    @property
    def duration_s(self) -> float:
        """Duration of the whole motion, s."""
        return 1.0 / self.top_speed + self.ramp_s

    def progress(self, time_s: float) -> float:
        """Progress 0..1 at `time_s` after the start; before it 0, after the end 1."""
        total = self.duration_s
        if time_s <= 0.0:
            return 0.0
        if time_s >= total:
            return 1.0
        if time_s < self.ramp_s:
            return 0.5 * self.acceleration_limit * time_s * time_s
        if time_s > total - self.ramp_s:
            left = total - time_s
            return 1.0 - 0.5 * self.acceleration_limit * left * left
        return self.top_speed * (time_s - 0.5 * self.ramp_s)
