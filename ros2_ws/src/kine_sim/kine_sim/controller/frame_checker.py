"""An independent judge of the joint frames that reach the controller.

It shares no code and no figure with the driver: limits and arithmetic are its own, on the integers of the
wire (0.001 degree). It changes nothing; the controller's own checks decide what the arm does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The vendor's figures for the RM75-B: joint ranges, streamed speed and step, acceleration.
RANGE_MDEG = (178_000, 130_000, 178_000, 135_000, 178_000, 128_000, 360_000)
MAX_SPEED_MDEG_S = 180_000.0
MAX_STEP_MDEG = 10_000.0
MAX_ACCELERATION_MDEG_S2 = 600_000.0
# Longer than the jitter of a network, short against any motion.
SPEED_WINDOW_S = 0.1
# A pause of this length ends a stream: what comes after it is a new one.
NEW_STREAM_S = 0.5


@dataclass(frozen=True)
class Violation:
    """What a frame broke: the rule, the joint 1..7, value and bound in the unit of the text."""

    rule: str
    joint: int
    text: str


class FrameChecker:
    """Judges frames one after the other.

    Args:
        paced_s: the exact time between frames where it is known, s: then the acceleration is judged as well.
            None: only times of arrival are known, whose jitter would look like acceleration.
    """

    def __init__(self, paced_s: float | None = None) -> None:
        self._paced_s = paced_s
        self._past: deque[tuple[float, tuple[float, ...]]] = deque()
        self.frames = 0
        self.unsafe_frames = 0
        self.violations: deque[Violation] = deque(maxlen=100)

    def restart(self) -> None:
        """A new stream begins: the next frame has no frame before it."""
        self._past.clear()

    def frame(self, time_s: float, joints: object) -> list[Violation]:
        """Judge the `joint` value of one frame as it was on the wire, at its time (s); what it broke."""
        self.frames += 1
        found = self._judge(time_s, joints)
        if found:
            self.unsafe_frames += 1
            self.violations.extend(found)
        return found

    def _judge(self, time_s: float, joints: object) -> list[Violation]:
        if not isinstance(joints, list | tuple) or len(joints) != 7:
            return [Violation("form", 0, f"seven numbers expected, got {str(joints)[:80]}")]
        for joint, value in enumerate(joints, 1):
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
                return [Violation("form", joint, f"joint {joint} is {value!r}")]
        now = tuple(float(value) for value in joints)
        found = [
            Violation(
                "range", joint, f"joint {joint} at {value / 1e3:.3f} deg, range +-{bound / 1e3:.0f} deg"
            )
            for joint, (value, bound) in enumerate(zip(now, RANGE_MDEG, strict=True), 1)
            if abs(value) > bound
        ]
        if self._past and time_s - self._past[-1][0] > NEW_STREAM_S:
            self.restart()
        if self._past:
            found += self._step(now) + self._speed(time_s, now) + self._acceleration(time_s, now)
        self._past.append((time_s, now))
        while len(self._past) > 2 and self._past[1][0] <= time_s - SPEED_WINDOW_S:
            self._past.popleft()
        return found

    def _step(self, now: tuple[float, ...]) -> list[Violation]:
        return [
            Violation("step", joint, f"joint {joint} steps {abs(b - a) / 1e3:.3f} deg, bound 10 deg")
            for joint, (a, b) in enumerate(zip(self._past[-1][1], now, strict=True), 1)
            if abs(b - a) > MAX_STEP_MDEG
        ]

    def _speed(self, time_s: float, now: tuple[float, ...]) -> list[Violation]:
        past_s, past = self._past[0]
        span_s = max(time_s - past_s, SPEED_WINDOW_S if self._paced_s is None else self._paced_s)
        return [
            Violation(
                "speed", joint, f"joint {joint} at {abs(b - a) / span_s / 1e3:.1f} deg/s, bound 180 deg/s"
            )
            for joint, (a, b) in enumerate(zip(past, now, strict=True), 1)
            # Two integers of the wire may each be off by one.
            if abs(b - a) > MAX_SPEED_MDEG_S * span_s + 2.0
        ]

    def _acceleration(self, time_s: float, now: tuple[float, ...]) -> list[Violation]:
        if self._paced_s is None or len(self._past) < 2:
            return []
        (before_s, before), (last_s, last) = self._past[-2], self._past[-1]
        steps = (time_s - last_s, last_s - before_s)
        if any(abs(step - self._paced_s) > 1e-6 for step in steps):
            return []  # after a stall of the sender nothing can be said
        bound = MAX_ACCELERATION_MDEG_S2 * self._paced_s**2 + 4.0  # four integers, each off by one
        return [
            Violation(
                "acceleration",
                joint,
                f"joint {joint} at {abs(c - 2 * b + a) / self._paced_s**2 / 1e3:.0f}, bound 600 deg/s2",
            )
            for joint, (a, b, c) in enumerate(zip(before, last, now, strict=True), 1)
            if abs(c - 2.0 * b + a) > bound
        ]


class JointRecord:
    """The measured joints over the last minutes, as the control loop saw them."""

    def __init__(self, capacity: int = 30_000) -> None:
        self._rows: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=capacity)

    def add(self, time_s: float, joints_rad: ArrayLike) -> None:
        """Note the joints (7,) rad at a monotonic time."""
        self._rows.append((time_s, tuple(np.asarray(joints_rad, dtype=float).tolist())))

    def since(self, time_s: float) -> list[tuple[float, tuple[float, ...]]]:
        """Rows not older than a monotonic time, oldest first."""
        return [row for row in tuple(self._rows) if row[0] >= time_s]


def peak_acceleration_rad_s2(
    times_s: Sequence[float], joints_rad: ArrayLike, window_s: float = 0.06
) -> NDArray[np.float64]:
    """Largest acceleration of each joint in a record, from speeds over windows.

    Args:
        times_s: (N,) increasing.
        joints_rad: (N, 7).
        window_s: a speed is the mean over this long; set-points arrive in steps, which are no acceleration.

    Returns:
        (7,) rad/s2, zeros when the record is shorter than three windows.
    """
    times, joints = np.asarray(times_s, dtype=float), np.asarray(joints_rad, dtype=float)
    if len(times) < 4 or times[-1] - times[0] < 3.0 * window_s:
        return np.zeros(7)
    grid = np.arange(times[0], times[-1], 0.25 * window_s)
    smooth = np.stack([np.interp(grid, times, joints[:, joint]) for joint in range(7)], axis=1)
    change = (smooth[8:] - 2.0 * smooth[4:-4] + smooth[:-8]) / window_s**2
    peaks: NDArray[np.float64] = np.abs(change).max(axis=0)
    return peaks
