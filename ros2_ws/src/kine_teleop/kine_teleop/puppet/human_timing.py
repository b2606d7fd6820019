"""How a hand leads an arm: strokes with smooth starts and ends, pauses between some of them, and tremor."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TREMOR_CORRELATION_S = 0.05


@dataclass(frozen=True)
class TimingSettings:
    """What the hand is like.

    Attributes:
        slowdown: time taken per second of the plan.
        variation: standard deviation of the slowdown from stroke to stroke, as a share of it.
        stroke_s: mean length of a stroke, in seconds of the plan.
        pause_share: share of the strokes that are followed by a pause, 0..1.
        pause_s: mean length of a pause.
    """

    slowdown: float = 1.6
    variation: float = 0.1
    stroke_s: float = 1.2
    pause_share: float = 0.2
    pause_s: float = 0.4

    def __post_init__(self) -> None:
        if self.slowdown < 1.0 or self.stroke_s <= 0.0 or self.pause_s < 0.0:
            raise ValueError(
                f"slowdown {self.slowdown} < 1, or "
                f"stroke_s {self.stroke_s} or pause_s {self.pause_s} too small"
            )
        if not 0.0 <= self.pause_share <= 1.0 or not 0.0 <= self.variation <= 0.5:
            raise ValueError(
                f"pause_share {self.pause_share} is outside 0..1 or variation {self.variation} outside 0..0.5"
            )


def minimum_jerk(share: float) -> float:
    """Progress 0..1 of a movement of minimum jerk at a share 0..1 of its duration (Flash and Hogan, 1985)."""
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)


class HumanTiming:
    """Turns time into progress along a plan, the same way for the same seed.

    Half of each stroke's progress is even and half is of minimum jerk: people slow down between strokes,
    but stop only when they pause.

    Args:
        plan_s: duration of the plan, s.
        settings: what the hand is like.
        seed: of all random draws.
    """

    def __init__(self, plan_s: float, settings: TimingSettings, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._starts_s = [0.0]
        self._rows: list[tuple[float, float, float]] = []  # progress at the start, length, duration
        done_s = 0.0
        while done_s < plan_s:
            length = min(settings.stroke_s * float(rng.uniform(0.6, 1.4)), plan_s - done_s)
            # Limited to two deviations, so that the fastest stroke has a bound.
            factor = 1.0 + settings.variation * float(np.clip(rng.standard_normal(), -2.0, 2.0))
            self._add(done_s, length, length * settings.slowdown * factor)
            done_s += length
            if rng.uniform() < settings.pause_share:
                self._add(done_s, 0.0, settings.pause_s * float(rng.uniform(0.5, 1.5)))
        self._plan_s = plan_s

    def _add(self, progress_s: float, length_s: float, duration_s: float) -> None:
        self._rows.append((progress_s, length_s, duration_s))
        self._starts_s.append(self._starts_s[-1] + duration_s)

    @property
    def duration_s(self) -> float:
        """How long the hand takes for the whole plan."""
        return self._starts_s[-1]

    def progress_s(self, time_s: float) -> float:
        """Time on the plan's own clock at `time_s` since the start; stays at its end."""
        if time_s >= self.duration_s:
            return self._plan_s
        index = bisect_right(self._starts_s, max(0.0, time_s)) - 1
        start, length, duration = self._rows[index]
        if length == 0.0:
            return start
        share = (max(0.0, time_s) - self._starts_s[index]) / duration
        return start + length * 0.5 * (share + minimum_jerk(share))


class Tremor:
    """A hand's tremor: noise of a given standard deviation whose values are alike over some 50 ms.

    Args:
        std_rad: standard deviation per joint, rad.
        joints: number of joints.
        seed: of all draws.
    """

    def __init__(self, std_rad: float, joints: int, seed: int) -> None:
        if std_rad < 0.0:
            raise ValueError(f"std_rad = {std_rad} must be at least 0")
        self._std_rad = std_rad
        self._rng = np.random.default_rng(seed)
        self._value = std_rad * self._rng.standard_normal(joints)

    def advance(self, step_s: float) -> NDArray[np.float64]:
        """The noise (joints,) in rad, `step_s` seconds after the last one."""
        keep = float(np.exp(-step_s / _TREMOR_CORRELATION_S))
        draw = self._rng.standard_normal(len(self._value))
        self._value = keep * self._value + self._std_rad * float(np.sqrt(1.0 - keep**2)) * draw
        return self._value.copy()
