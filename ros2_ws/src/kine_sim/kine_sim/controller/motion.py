"""Motion engine: planned trajectories, streamed set-points, stop, pause, drag teach.

One call of `step` per control period moves the set-point of the joints; commands come from other threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import errors as codes
from .backend import ArmBackend
from .errors import ErrorState
from .paths import PlannedPath
from .settings import ControllerSettings
from .stream import StreamFollower

FloatArray = NDArray[np.float64]
DOF = 7
# A stalled control thread must not let a trajectory leap: the path clock advances by at most this per step.
MAX_STEP_S = 0.05
_PAUSE_RAMP_S = 0.25
_SLOW_STOP_RAMP_S = 0.5
_SETTLE_RAD = float(np.radians(0.1))
_SETTLE_TIMEOUT_S = 0.8

Arrival = Callable[[str, bool, int], None]
"""Called with (client, arrived, trajectory_connect) when a planned motion ends."""


class MotionRefusedError(ValueError):
    """The controller answers `receive_state: false`; the message says why."""


@dataclass
class _Job:
    path: PlannedPath
    client: str
    connect: int
    time_s: float = 0.0
    waited_s: float = 0.0


class MotionEngine:
    """Decides the joint set-points of each control period."""

    def __init__(
        self, backend: ArmBackend, settings: ControllerSettings, errors: ErrorState, arrival: Arrival
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._errors = errors
        self._arrival = arrival
        self._lock = threading.RLock()
        self._setpoint = backend.measured_rad()
        self._velocity = np.zeros(DOF)
        self._jobs: deque[_Job] = deque()
        self._chain: list[_Job] = []
        self._rate = 1.0
        self._rate_goal = 1.0
        self._rate_ramp_s = _PAUSE_RAMP_S
        self._slow_stopping = False
        self._braking = False
        self._paused = False
        self._dragging = False
        self._drag_goal: FloatArray | None = None
        self._stream = StreamFollower()
        self._stream_kind = "move_through_joint"
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Counts stops: a motion planned before a stop must not start after it."""
        return self._epoch

    def setpoint_rad(self) -> FloatArray:
        """Present joint set-points, shape (7,), rad."""
        with self._lock:
            return self._setpoint.copy()

    def planning_start_rad(self) -> FloatArray:
        """Where the next planned motion would begin, shape (7,), rad."""
        with self._lock:
            if self._chain:
                return self._chain[-1].path.end_rad
            if self._jobs:
                return self._jobs[-1].path.end_rad
            return self._setpoint.copy()

    def trajectory_type(self) -> str:
        """`movej` or `movel` while a planned motion runs (or is paused), otherwise `none`."""
        with self._lock:
            return self._jobs[0].path.type if self._jobs else "none"

    def status(self) -> str:
        """Value of `arm_current_status` in the state push."""
        with self._lock:
            if self._settings.emergency_stop or self._braking:
                return "stop"
            if self._dragging:
                return "current_drag"
            if self._slow_stopping:
                return "slow_stop"
            if self._jobs:
                if self._paused:
                    return "pause"
                return "move_L" if self._jobs[0].path.type == "movel" else "move_J"
            return self._stream_kind if self._stream.active(time.monotonic()) else "idle"

    def check_ready(self) -> None:
        """Refuse motion while something forbids it.

        Raises:
            MotionRefusedError: naming the reason.
        """
        with self._lock:
            if self._settings.emergency_stop:
                raise MotionRefusedError("emergency stop is active")
            if self._settings.power == 0:
                raise MotionRefusedError("the arm is powered off")
            if self._dragging:
                raise MotionRefusedError("drag teach is active")
            for i, code in enumerate(self._errors.joint_codes()):
                if code:
                    raise MotionRefusedError(f"joint {i + 1} has error code 0x{code:04X}")
            disabled = np.flatnonzero(~self._backend.joint_enabled())
            if disabled.size:
                raise MotionRefusedError(f"joint {int(disabled[0]) + 1} is disabled")

    def start(self, path: PlannedPath, client: str, connect: int, epoch: int) -> None:
        """Queue a planned path; with `connect` 1 it waits for the path that ends the chain.

        Raises:
            MotionRefusedError: not ready, or a stop came while the path was being planned.
        """
        with self._lock:
            self.check_ready()
            if epoch != self._epoch:
                raise MotionRefusedError("a stop came while the motion was being planned")
            self._errors.clear_system()
            self._chain.append(_Job(path, client, connect))
            if connect == 0:
                self._stream.reset()
                self._jobs.extend(self._chain)
                self._chain.clear()

    def stream_frame(self, q: FloatArray, follow: bool, mode: int, radio: int, kind: str) -> str:
        """Take a streamed joint frame (7,) rad; returns what became of it, for the log."""
        with self._lock:
            reason = self._stream_blocked()
            if reason:
                return f"ignored: {reason}"
            now_s = time.monotonic()
            try:
                self._settings.check_joint_limits(q)
            except ValueError as error:
                self._errors.raise_system(codes.SYSTEM_TARGET_BEYOND_LIMIT)
                return f"refused: {error}"
            verdict = self._stream.judge(q, self._setpoint, now_s)
            goal = verdict.goal.copy()
            still = self._unresponsive()
            goal[still] = self._setpoint[still]
            # A joint that already gives no response raises no further error.
            jumped = [i for i in verdict.jumped if not still[i]]
            overspeed = [i for i in verdict.overspeed if not still[i]]
            for i in (*jumped, *overspeed):
                self._errors.raise_joint(i + 1, codes.JOINT_COMMAND_STEP)
            if overspeed:
                self._errors.raise_system(codes.SYSTEM_JOINT_OVERSPEED)
            self._stream.follow(goal, now_s, follow, mode, radio)
            self._stream_kind = kind
            if jumped or overspeed:
                named = [f"joint {i + 1} steps more than 10 deg" for i in jumped]
                named += [f"joint {i + 1} faster than 180 deg/s" for i in overspeed]
                return "refused: " + ", ".join(named)
            return "followed"

    def follow_target(self, q: FloatArray) -> str:
        """Take a far target (7,) rad that the controller approaches by itself."""
        with self._lock:
            reason = self._stream_blocked()
            if reason:
                return f"ignored: {reason}"
            try:
                self._settings.check_joint_limits(q)
            except ValueError as error:
                self._errors.raise_system(codes.SYSTEM_TARGET_BEYOND_LIMIT)
                return f"refused: {error}"
            still = self._unresponsive()
            goal = np.where(still, self._setpoint, q)
            self._stream.follow_at_own_speed(goal, time.monotonic(), 0.5 * self._settings.joint_speed_rad_s())
            self._stream_kind = "move_through_joint"
            return "followed"

    def stop(self) -> None:
        """Fastest stop of the joints; planned motions are lost."""
        with self._lock:
            self._epoch += 1
            self._stream.reset()
            self._drop_jobs()
            self._braking = bool(np.any(np.abs(self._velocity) > 1e-6))

    def slow_stop(self) -> None:
        """Stop on the path; the rest of it is lost."""
        with self._lock:
            self._epoch += 1
            if self._jobs:
                self._slow_stopping = True
                self._rate_goal, self._rate_ramp_s = 0.0, _SLOW_STOP_RAMP_S
                self._chain.clear()
            else:
                self.stop()

    def pause(self) -> None:
        """Slow down to rest on the path, keeping it."""
        with self._lock:
            if self._jobs:
                self._paused = True
                self._rate_goal, self._rate_ramp_s = 0.0, _PAUSE_RAMP_S

    def resume(self) -> None:
        """Go on along the paused path."""
        with self._lock:
            self._paused = False
            if not self._slow_stopping:
                self._rate_goal, self._rate_ramp_s = 1.0, _PAUSE_RAMP_S

    def delete_trajectories(self) -> bool:
        """Drop the paused motion and those waiting behind it; False unless paused.

        Waiting motions were planned from the end of the dropped one, so they cannot run without it.
        """
        with self._lock:
            if not self._paused or not self._jobs:
                return False
            self._epoch += 1
            self._braking = bool(np.any(np.abs(self._velocity) > 1e-6))
            self._drop_jobs()
            return True

    def start_drag(self) -> None:
        """Let the joints be led by hand.

        Raises:
            MotionRefusedError: not ready for motion.
        """
        with self._lock:
            self.check_ready()
            self.stop()
            self._dragging, self._drag_goal = True, None

    def stop_drag(self) -> None:
        """Hold the joints again, where they are."""
        with self._lock:
            self._dragging = False
            self._setpoint = self._backend.measured_rad()

    def lead_by_hand(self, q: FloatArray) -> None:
        """Emulate the operator's hand during drag teach: lead the joints to q (7,) rad.

        Raises:
            ValueError: drag teach is not active or q is beyond the limits.
        """
        with self._lock:
            if not self._dragging:
                raise ValueError("the joints can be led by hand only during drag teach")
            self._settings.check_joint_limits(q)
            self._drag_goal = np.array(q, dtype=float)

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Switch joint `index` (0-based); an enabled joint starts where it stands."""
        with self._lock:
            angle = float(self._backend.measured_rad()[index])
            self._setpoint[index] = angle
            self._stream.hold_joint(index, angle)
            self._backend.set_target_rad(self._setpoint)
            self._backend.set_joint_enabled(index, enabled)
            if not enabled and self._jobs:
                self._errors.raise_system(codes.SYSTEM_JOINT_DISABLED)
                self.stop()

    def step(self, dt_s: float) -> None:
        """Advance the set-point by one control period of `dt_s` seconds."""
        dt_s = min(max(dt_s, 1e-6), MAX_STEP_S)
        with self._lock:
            previous = self._setpoint
            if self._jobs and self._unresponsive().any():
                self.stop()
            if self._dragging:
                self._setpoint = self._drag_step(dt_s)
            elif self._braking:
                self._setpoint = self._brake_step(dt_s)
            elif self._jobs:
                self._setpoint = self._path_step(dt_s)
            else:
                self._setpoint = self._stream.advance(self._setpoint, dt_s)
            still = self._unresponsive()
            if still.any():
                self._setpoint = np.where(still, previous, self._setpoint)
            self._setpoint = np.clip(self._setpoint, *self._settings.joint_limits_rad())
            self._velocity = (self._setpoint - previous) / dt_s
            self._backend.set_target_rad(self._setpoint)

    def _unresponsive(self) -> NDArray[np.bool_]:
        failed = np.array(self._errors.joint_codes()) != 0
        return failed | ~self._backend.joint_enabled()

    def _stream_blocked(self) -> str:
        if self._settings.emergency_stop:
            return "emergency stop is active"
        if self._settings.power == 0:
            return "the arm is powered off"
        if self._dragging:
            return "drag teach is active"
        if self._jobs:
            return "a planned motion is running"
        return "the arm is stopping" if self._braking else ""

    def _drag_step(self, dt_s: float) -> FloatArray:
        measured = self._backend.measured_rad()
        if self._drag_goal is None:
            return measured
        limit = 0.5 * self._settings.joint_speed_rad_s() * dt_s
        return self._setpoint + np.clip(self._drag_goal - self._setpoint, -limit, limit)

    def _brake_step(self, dt_s: float) -> FloatArray:
        slowest_s = float(np.max(np.abs(self._velocity) / self._settings.joint_acceleration_rad_s2()))
        if slowest_s <= dt_s:
            self._braking = False
            return self._setpoint
        # One common deceleration for all joints keeps the direction of motion while braking.
        velocity = self._velocity * (1.0 - dt_s / slowest_s)
        return self._setpoint + velocity * dt_s

    def _path_step(self, dt_s: float) -> FloatArray:
        change = dt_s / self._rate_ramp_s
        self._rate += float(np.clip(self._rate_goal - self._rate, -change, change))
        job = self._jobs[0]
        if self._slow_stopping and self._rate == 0.0:
            self._drop_jobs()
            return self._setpoint
        job.time_s += dt_s * self._rate
        if job.time_s < job.path.duration_s:
            return job.path.sample(job.time_s)
        job.waited_s += dt_s
        error = float(np.max(np.abs(self._backend.measured_rad() - job.path.end_rad)))
        if error < _SETTLE_RAD or job.waited_s > _SETTLE_TIMEOUT_S or job.connect:
            self._jobs.popleft()
            if not self._jobs:
                self._reset_rate()
            self._arrival(job.client, True, job.connect)
        return job.path.end_rad

    def _drop_jobs(self) -> None:
        dropped = [*self._jobs, *self._chain]
        self._jobs.clear()
        self._chain.clear()
        self._reset_rate()
        for job in dropped:
            self._arrival(job.client, False, job.connect)

    def _reset_rate(self) -> None:
        self._rate = self._rate_goal = 1.0
        self._slow_stopping = self._paused = False
