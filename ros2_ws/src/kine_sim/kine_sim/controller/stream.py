"""Streamed set-points (canfd): the checks a frame must pass and the smoothing of the low-follow modes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
DOF = 7
MAX_FRAME_STEP_RAD = float(np.radians(10.0))
MAX_STREAM_SPEED_RAD_S = float(np.radians(180.0))
SPEED_WINDOW_S = 0.1
# Frames that a network held back and delivers in a burst must not look fast: a frame counts at least this
# share of the mean period after the previous one, and the mean period is taken over so many frames.
_BURST_SHARE = 0.9
_PERIOD_FRAMES = 64
_PERIOD_BOUNDS_S = (0.0005, 0.02)
# Without a frame for this long a stream has ended; the arm goes on holding the last set-point.
STREAM_IDLE_S = 0.25
# After this long a new frame starts a new stream. It bounds the stall of a network whose burst is forgiven.
FORGET_S = 0.5
_LOW_FOLLOW_S = 0.04
_FILTER_FULL_SCALE_S = 0.2


@dataclass(frozen=True)
class FrameVerdict:
    """What a frame may change.

    Attributes:
        goal: joint set-points (7,) rad with the refused joints kept at their previous value.
        jumped: joints (0-based) whose step since the previous set-point exceeds 10 degrees.
        overspeed: joints (0-based) that would move faster than 180 degrees per second.
    """

    goal: FloatArray
    jumped: tuple[int, ...]
    overspeed: tuple[int, ...]


class StreamFollower:
    """State of one canfd stream."""

    def __init__(self) -> None:
        self.goal: FloatArray | None = None
        self.time_constant_s = 0.0
        self.speed_limit_rad_s: FloatArray | None = None
        self._history: deque[tuple[float, FloatArray]] = deque()
        self._arrivals_s: deque[float] = deque(maxlen=_PERIOD_FRAMES)
        self._last_s = -np.inf

    def active(self, now_s: float) -> bool:
        """Whether frames arrived lately."""
        return now_s - self._last_s < STREAM_IDLE_S

    def reset(self) -> None:
        """Forget the stream: the next frame is judged against the held set-point."""
        self.goal = None
        self.speed_limit_rad_s = None
        self._history.clear()
        self._arrivals_s.clear()
        self._last_s = -np.inf

    def judge(self, frame: FloatArray, held: FloatArray, now_s: float) -> FrameVerdict:
        """Check a frame (7,) rad against the previous set-point, or against `held` (7,) rad at a start."""
        previous = self.goal if self.goal is not None else held
        jumped = np.abs(frame - previous) > MAX_FRAME_STEP_RAD
        stamp_s = self._stamp(now_s)
        past_s, past = stamp_s - SPEED_WINDOW_S, previous if not self._history else self._history[0][1]
        for time_s, q in self._history:
            if time_s > stamp_s - SPEED_WINDOW_S:
                break
            past_s, past = time_s, q
        speed = np.abs(frame - past) / max(stamp_s - past_s, SPEED_WINDOW_S)
        overspeed = (speed > MAX_STREAM_SPEED_RAD_S) & ~jumped
        goal = np.where(jumped | overspeed, previous, frame)
        return FrameVerdict(goal, _indices(jumped), _indices(overspeed))

    def follow(self, goal: FloatArray, now_s: float, follow: bool, mode: int, radio: int) -> None:
        """Make `goal` (7,) rad the newest set-point; mode and radio choose the smoothing."""
        self.goal = goal
        self.speed_limit_rad_s = None
        if mode in (1, 2):
            share = min(1.0, radio / (100.0 if mode == 1 else 1000.0))
            self.time_constant_s = _LOW_FOLLOW_S + _FILTER_FULL_SCALE_S * share
        else:
            self.time_constant_s = 0.0 if follow else _LOW_FOLLOW_S
        self._remember(goal, now_s)

    def follow_at_own_speed(self, goal: FloatArray, now_s: float, speed_limit_rad_s: FloatArray) -> None:
        """Make `goal` a far target that the controller approaches at no more than `speed_limit_rad_s`."""
        self.goal = goal
        self.time_constant_s = _LOW_FOLLOW_S
        self.speed_limit_rad_s = speed_limit_rad_s
        self._remember(goal, now_s)

    def hold_joint(self, joint: int, angle_rad: float) -> None:
        """Keep joint `joint` (0-based) at an angle until a later frame moves it."""
        if self.goal is not None:
            self.goal = self.goal.copy()
            self.goal[joint] = angle_rad
        self._history = deque((time_s, _with(q, joint, angle_rad)) for time_s, q in self._history)

    def advance(self, setpoint: FloatArray, dt_s: float) -> FloatArray:
        """Next set-point (7,) rad for the joints, `dt_s` after `setpoint`."""
        if self.goal is None:
            return setpoint
        # No joint turns faster than this, however far away the newest of several frames is that came at once.
        fastest = MAX_STREAM_SPEED_RAD_S * dt_s
        share = 1.0 if self.time_constant_s == 0.0 else 1.0 - np.exp(-dt_s / self.time_constant_s)
        step = np.clip((self.goal - setpoint) * share, -fastest, fastest)
        if self.speed_limit_rad_s is not None:
            step = np.clip(step, -self.speed_limit_rad_s * dt_s, self.speed_limit_rad_s * dt_s)
        return setpoint + step

    def _stamp(self, now_s: float) -> float:
        """Time at which a frame that arrives now counts as sent."""
        if not self._history or now_s - self._last_s >= FORGET_S:
            return now_s
        low, high = _PERIOD_BOUNDS_S
        mean_s = (now_s - self._arrivals_s[0]) / len(self._arrivals_s)
        return max(now_s, self._history[-1][0] + _BURST_SHARE * min(max(mean_s, low), high))

    def _remember(self, goal: FloatArray, now_s: float) -> None:
        stamp_s = self._stamp(now_s)
        if now_s - self._last_s >= FORGET_S:
            self._history.clear()
            self._arrivals_s.clear()
        self._last_s = now_s
        self._arrivals_s.append(now_s)
        self._history.append((stamp_s, goal))
        # Keep exactly one frame older than the window as the reference.
        while len(self._history) > 2 and self._history[1][0] <= stamp_s - SPEED_WINDOW_S:
            self._history.popleft()


def _indices(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))


def _with(q: FloatArray, joint: int, angle_rad: float) -> FloatArray:
    changed = q.copy()
    changed[joint] = angle_rad
    return changed
