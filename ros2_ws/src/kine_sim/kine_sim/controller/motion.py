"""Motion engine: planned trajectories, streamed set-points, stop, pause, drag teach.

One call of `step` per control period moves the set-point of the joints; commands come from other threads.
"""

from __future__ import annotations

import math
import threading
import time

import numpy as np
from numpy.typing import NDArray

from . import errors as codes
from .backend import ArmBackend
from .brake import Brake
from .errors import ErrorState
from .paths import PlannedPath
from .runner import Arrival, TrajectoryRunner
from .settings import ControllerSettings
from .stream import StreamFollower

FloatArray = NDArray[np.float64]
# A stalled control thread must not let a trajectory leap: the path clock advances by at most this per step.
MAX_STEP_S = 0.02
# A stop is reported for at least this long, also of an arm that rests (how long by a real one: not known).
STOP_SHOWN_S = 0.05


class MotionRefusedError(ValueError):
    """The controller answers `receive_state: false`; the message says why."""


class MotionEngine:
    """Decides the joint set-points of each control period."""

    def __init__(
        self, backend: ArmBackend, settings: ControllerSettings, errors: ErrorState, arrival: Arrival
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._errors = errors
        self._lock = threading.RLock()
        self._setpoint = backend.measured_rad()
        self._brake = Brake(settings)
        self._runner = TrajectoryRunner(arrival)
        self._stream = StreamFollower()
        self._stream_kind = "move_through_joint"
        self._dragging = False
        self._drag_goal: FloatArray | None = None
        self._epoch = 0
        self._stopped_s = -math.inf

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
            end = self._runner.end_rad()
            return self._setpoint.copy() if end is None else end

    def trajectory_type(self) -> str:
        """`movej` or `movel` while a planned motion runs (or is paused), otherwise `none`."""
        with self._lock:
            return self._runner.type

    def status(self) -> str:
        """Value of `arm_current_status` in the state push."""
        with self._lock:
            if self._settings.emergency_stop or self._brake.active:
                return "stop"
            if self._dragging:
                return "current_drag"
            if self._runner.slow_stopping:
                return "slow_stop"
            if self._runner.running:
                if self._runner.paused:
                    return "pause"
                return "move_L" if self._runner.type == "movel" else "move_J"
            now_s = time.monotonic()
            if now_s - self._stopped_s < STOP_SHOWN_S:
                return "stop"
            return self._stream_kind if self._stream.active(now_s) else "idle"

    def check_ready(self) -> None:
        """Refuse motion while something forbids it.

        Raises:
            MotionRefusedError: naming the reason.
        """
        with self._lock:
            reason = self._forbidden()
            if reason:
                raise MotionRefusedError(reason)
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
            self._stream.reset()
            self._runner.add(path, client, connect)

    def stream_frame(self, q: FloatArray, follow: bool, mode: int, radio: int, kind: str) -> str:
        """Take a streamed joint frame (7,) rad; returns what became of it, for the log."""
        with self._lock:
            reason = self._stream_refusal(q)
            if reason:
                return reason
            now_s = time.monotonic()
            verdict = self._stream.judge(q, self._setpoint, now_s)
            still = self._unresponsive()
            goal = np.where(still, self._setpoint, verdict.goal)
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
        """Take a far target (7,) rad that the controller approaches by itself; returns what became of it."""
        with self._lock:
            reason = self._stream_refusal(q)
            if reason:
                return reason
            goal = np.where(self._unresponsive(), self._setpoint, q)
            self._stream.follow_at_own_speed(goal, time.monotonic(), 0.5 * self._settings.joint_speed_rad_s())
            self._stream_kind = "move_through_joint"
            return "followed"

    def stop(self) -> None:
        """Fastest stop of the joints; planned motions are lost."""
        with self._lock:
            self._epoch += 1
            self._stopped_s = time.monotonic()
            self._stream.reset()
            self._runner.drop()
            self._brake.begin()

    def slow_stop(self) -> None:
        """Stop on the path; the rest of it is lost."""
        with self._lock:
            if not self._runner.running:
                self.stop()
                return
            self._epoch += 1
            self._runner.slow_stop()

    def pause(self) -> None:
        """Slow down to rest on the path, keeping it."""
        with self._lock:
            self._runner.pause()

    def resume(self) -> None:
        """Go on along the paused path."""
        with self._lock:
            self._runner.resume()

    def delete_trajectories(self) -> bool:
        """Drop the paused motion and those waiting behind it; False unless paused.

        Waiting motions were planned from the end of the dropped one, so they cannot run without it.
        """
        with self._lock:
            if not self._runner.paused:
                return False
            self._epoch += 1
            self._runner.drop()
            self._brake.begin()
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
            if self._dragging:
                self._dragging = False
                self.hold_measured()

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

    def hold_measured(self) -> None:
        """Give up all motion and hold the joints where they stand, for instance after the world was reset."""
        with self._lock:
            self.stop()
            self._brake.release()
            self._setpoint = self._backend.measured_rad()
            self._backend.set_target_rad(self._within_limits(self._setpoint))

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Switch joint `index` (0-based); an enabled joint starts where it stands."""
        with self._lock:
            angle = float(self._backend.measured_rad()[index])
            self._setpoint = self._setpoint.copy()
            self._setpoint[index] = angle
            self._stream.hold_joint(index, angle)
            self._backend.set_target_rad(self._within_limits(self._setpoint))
            self._backend.set_joint_enabled(index, enabled)
            if not enabled and self._runner.running:
                self._errors.raise_system(codes.SYSTEM_JOINT_DISABLED)
                self.stop()

    def step(self, dt_s: float) -> None:
        """Advance the set-point by one control period of `dt_s` seconds."""
        dt_s = min(max(dt_s, 1e-6), MAX_STEP_S)
        with self._lock:
            previous, still = self._setpoint, self._unresponsive()
            if self._runner.running and still.any():
                self.stop()
            if self._dragging:
                wanted = self._drag_step(dt_s)
            elif self._brake.active:
                wanted = self._brake.step(previous, dt_s)
            elif self._runner.running:
                wanted = self._runner.step(previous, self._backend.measured_rad(), dt_s)
            else:
                wanted = self._stream.advance(previous, dt_s)
            self._setpoint = self._within_limits(np.where(still, previous, wanted))
            self._brake.observe(self._setpoint - previous, dt_s)
            self._backend.set_target_rad(self._setpoint)

    def _within_limits(self, q: FloatArray) -> FloatArray:
        return np.clip(q, *self._settings.joint_limits_rad())

    def _unresponsive(self) -> NDArray[np.bool_]:
        failed = np.array(self._errors.joint_codes()) != 0
        return failed | ~self._backend.joint_enabled()

    def _forbidden(self) -> str:
        if self._settings.emergency_stop:
            return "emergency stop is active"
        if self._settings.power == 0:
            return "the arm is powered off"
        return "drag teach is active" if self._dragging else ""

    def _stream_refusal(self, q: FloatArray) -> str:
        reason = self._forbidden()
        if not reason and self._runner.running:
            reason = "a planned motion is running"
        if not reason and self._brake.active:
            reason = "the arm is stopping"
        if reason:
            return f"ignored: {reason}"
        try:
            self._settings.check_joint_limits(q)
        except ValueError as error:
            self._errors.raise_system(codes.SYSTEM_TARGET_BEYOND_LIMIT)
            return f"refused: {error}"
        return ""

    def _drag_step(self, dt_s: float) -> FloatArray:
        if self._drag_goal is None:
            return self._backend.measured_rad()
        limit = 0.5 * self._settings.joint_speed_rad_s() * dt_s
        return self._setpoint + np.clip(self._drag_goal - self._setpoint, -limit, limit)
