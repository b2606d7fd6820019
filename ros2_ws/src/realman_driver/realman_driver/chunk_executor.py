"""From chunks to the setpoint of this moment, without a rest or a jerk where one chunk meets the next.

A chunk says where the joints shall be at times counted from its observation. When it arrives, some of that
time has passed: the points that lie behind are not executed any more. The setpoint then goes over from the
curve it is on to the one the chunk asks for. Every curve ends at rest at its chunk's last point, so that
without a successor in time (underrun) it slows down and holds; a newer chunk (overrun) replaces what is left
of the older one.

A curve is looked at whole before any of it is played: from the moment at which it takes over, blend included,
to its rest. What is played is what was looked at, as the setpoint knows no other way: it is where the newest
curve is at the motion's time, whatever the clock does, and that time never runs beyond the curve's end.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np

from .arm_model import JOINT_COUNT, RATED_LIMITS, Limits
from .bspline import Array, BSpline
from .curve_planner import MAX_KNOT_STEP_S, CurvePlanner, MotionLimits, PlannedCurve
from .gate import Chunk, Refusal, Space, SpaceBounds
from .motion_history import MotionHistory, MotionSample

Setpoint = tuple[float, ...]

# A single target within this time is one of a stream of them.
STREAMED_TARGET_S = 0.25
# A curve takes over so much later than it is planned, as the stream goes on meanwhile. When that was too
# soon, on a busy computer, it is planned again with more time.
LEADS_S = (0.015, 0.06, 0.24)
# Half a frame: poses of a curve that are looked at.
SAMPLE_S = 0.005
# Stamps of one moment differ by this much where clocks were converted: two chunks of one observation.
SAME_MOMENT_S = 1e-3


@dataclass(frozen=True)
class ExecutorSettings:
    """How chunks are put together.

    Attributes:
        limits: of the setpoint's motion.
        newest_share: weight of a new chunk where an older one speaks of the same moment, 0 < share <= 1; 1
            takes the new one alone, less is temporal ensembling (Zhao et al., arXiv 2304.13705).
        space: what the arm keeps clear of on the curves.
    """

    limits: MotionLimits = field(default_factory=MotionLimits)
    newest_share: float = 1.0
    space: SpaceBounds = field(default_factory=SpaceBounds)


@dataclass(frozen=True)
class _Moment:
    """What a plan starts from: motion time now and when its curve takes over, and of the observation the
    sample and the slope (7,)."""

    motion_s: float
    begin_s: float
    observed: MotionSample
    slope_rad_s: Array


class ChunkExecutor:
    """Holds a setpoint, or moves it along the chunks it is given.

    One thread may call `load` while another one calls `advance`.

    Args:
        setpoint: (8,) where to hold until the first chunk: 7 joints in rad and the gripper opening.
        now_s: monotonic time.
        settings: limits, ensembling, space.
        ranges: 7 pairs of joint limits, rad, which no curve leaves.
    """

    def __init__(
        self,
        setpoint: Setpoint,
        now_s: float,
        settings: ExecutorSettings | None = None,
        ranges: Limits = RATED_LIMITS,
    ) -> None:
        self._settings = settings or ExecutorSettings()
        self._planner = CurvePlanner(self._settings.limits, ranges)
        self._space = Space(self._settings.space)
        self._lock = threading.Lock()  # held for microseconds, never while a curve is planned
        self._setpoint = setpoint
        self._motion_s = 0.0
        # The newest one last; those before it are played until it begins.
        self._curves = [BSpline.resting(0.0, np.array(setpoint[:JOINT_COUNT]), MAX_KNOT_STEP_S)]
        self._nominal_end_s = 0.0
        self._history = MotionHistory(MotionSample(now_s, 0.0, setpoint))
        self._gripper_times_s: tuple[float, ...] = ()
        self._gripper_values: tuple[float, ...] = ()
        self._observed_s = -math.inf

    @property
    def setpoint(self) -> Setpoint:
        """(8,) the setpoint of the moment."""
        return self._setpoint

    @property
    def motion_s(self) -> float:
        """How long the setpoint has moved so far; it stands still while the setpoint rests."""
        return self._motion_s

    @property
    def active(self) -> bool:
        """Whether the setpoint is moving along a chunk."""
        return self._motion_s < self._curves[-1].end_s

    @property
    def gripper_target(self) -> float | None:
        """Opening of the chunk point being approached (of the last one after the end); None before any chunk.

        The gripper gets the value at the start of a segment, as it needs that time to get there.
        """
        if not self._gripper_times_s:
            return None
        index = bisect_left(self._gripper_times_s, self._motion_s - 1e-9)
        return self._gripper_values[min(index, len(self._gripper_values) - 1)]

    def setpoint_at(self, time_s: float) -> Setpoint:
        """(8,) the setpoint at a monotonic time of the last seconds."""
        with self._lock:
            return self._history.at(time_s).setpoint

    def load(self, chunk: Chunk, observed_s: float) -> Refusal | None:
        """Go over to a chunk, from wherever the setpoint is.

        Args:
            chunk: points whose times count from its observation.
            observed_s: monotonic time of that observation.

        Returns:
            None when it is executed, or why not; then the chunk before it goes on.
        """
        for lead_s in LEADS_S:
            moment = self._moment(observed_s, lead_s)
            times_s = moment.observed.motion_s + np.array((0.0, *chunk.times_s))
            planned = self._out_of_time(chunk, times_s, observed_s, moment) or self._plan(
                chunk, times_s, moment
            )
            if isinstance(planned, Refusal):
                return planned
            with self._lock:
                if self._motion_s > moment.begin_s:
                    continue
                self._curves.append(planned.curve)
                self._nominal_end_s, self._observed_s = float(times_s[-1]), observed_s
                self._gripper_times_s = tuple(float(t) for t in times_s[1:])
                self._gripper_values = tuple(point[JOINT_COUNT] for point in chunk.points)
            return None
        text = f"planning its curve took longer than {LEADS_S[-1]:.3f} s: the computer is too busy"
        return Refusal("late", "", LEADS_S[-1], f"less than {LEADS_S[-1]:.3f} s", text)

    def advance(self, step_s: float, now_s: float) -> Setpoint:
        """Move on by `step_s` seconds (less than passed after a stall) and return the (8,) setpoint then."""
        with self._lock:
            if self.active:
                curves = self._curves
                self._motion_s = min(self._motion_s + step_s, curves[-1].end_s)
                while len(curves) > 1 and curves[1].start_s <= self._motion_s:
                    curves.pop(0)
                self._setpoint = (*curves[0].position(self._motion_s), self._gripper_now())
            self._history.add(MotionSample(now_s, self._motion_s, self._setpoint))
            return self._setpoint

    def _moment(self, observed_s: float, lead_s: float) -> _Moment:
        with self._lock:
            running, motion_s = self._curves[-1], self._motion_s
            begin_s = motion_s
            if self.active:
                begin_s = max(running.start_s, min(motion_s + lead_s, running.end_s))
            slope = np.array(self._history.slope_rad_s(observed_s, JOINT_COUNT))
            return _Moment(motion_s, begin_s, self._history.at(observed_s), slope)

    def _out_of_time(
        self, chunk: Chunk, times_s: Array, observed_s: float, moment: _Moment
    ) -> Refusal | None:
        if self.active and observed_s < self._observed_s - SAME_MOMENT_S:
            late_s = self._observed_s - observed_s
            text = f"its observation is {late_s:.3f} s older than that of the chunk being executed"
            return Refusal("order", "", late_s, "not older than the running chunk", text)
        if times_s[-1] <= moment.motion_s and not _streamed(chunk):
            late_s = moment.motion_s - float(times_s[-1])
            text = f"its last point should have been reached {late_s:.3f} s ago; nothing of it is left"
            return Refusal("late", "", late_s, "the last point lies ahead", text)
        return None

    def _plan(self, chunk: Chunk, times_s: Array, moment: _Moment) -> PlannedCurve | Refusal:
        """The curve over to a chunk, looked at."""
        running, begin_s = self._curves[-1], moment.begin_s
        points = [moment.observed.setpoint, *chunk.points]
        points_rad = np.array([point[:JOINT_COUNT] for point in points])
        if _streamed(chunk):
            planned = self._planner.to_target(running, begin_s, points_rad[1])
        else:
            self._ensemble(times_s, points_rad)
            planned = self._planner.through_points(running, begin_s, times_s, points_rad, moment.slope_rad_s)
        return planned if isinstance(planned, Refusal) else self._nearness(planned) or planned

    def _nearness(self, planned: PlannedCurve) -> Refusal | None:
        """Refuse a curve that leads too near to something."""
        curve = planned.curve
        count = max(1, math.ceil((curve.end_s - curve.start_s) / SAMPLE_S))
        sampled_s = curve.start_s + (curve.end_s - curve.start_s) / count * np.arange(count + 1.0)
        breach = self._space.breach(curve.positions(sampled_s))
        if breach is None:
            return None
        number = bisect_right(planned.times_s.tolist(), float(sampled_s[breach.pose]))
        return breach.refusal(f"on the way to point {min(number, len(planned.times_s) - 1)}")

    def _gripper_now(self) -> float:
        target = self.gripper_target
        return self._setpoint[JOINT_COUNT] if target is None else target

    def _ensemble(self, times_s: Array, points_rad: Array) -> None:
        """Mix the points with what the older chunk had planned for the same moments, in place."""
        share = self._settings.newest_share
        if share >= 1.0 or not self.active:
            return
        common = times_s <= self._nominal_end_s
        common[0] = False  # the setpoint at the observation is a fact
        old_rad = self._curves[-1].positions(times_s[common])
        points_rad[common] = share * points_rad[common] + (1.0 - share) * old_rad


def _streamed(chunk: Chunk) -> bool:
    return len(chunk.points) == 1 and chunk.times_s[0] <= STREAMED_TARGET_S
