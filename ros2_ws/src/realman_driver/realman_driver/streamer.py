"""One paced thread: every period it lets the watchdog look, then sends one frame while it is engaged.

While engaged it sends without a pause, the setpoint held when no chunk runs: the controller sees one constant
rate and the setpoint it holds is always the one the driver believes in. The return code of a frame says
nothing about the controller being alive (the kernel buffers minutes of frames), so the watchdog decides.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .arm_model import JOINT_COUNT, JOINT_NAMES, MAX_FRAME_STEP_RAD, RATED_LIMITS, Limits
from .chunk_executor import ChunkExecutor, ExecutorSettings, Setpoint
from .error_codes import describe_return_code
from .gate import Chunk, Refusal

# The trajectory's clock never runs ahead by more than this many periods at once: after a stall of the
# computer the motion is late, but no frame jumps.
MAX_PERIODS_PER_FRAME = 2.0
# Less than the controller's resolution of 0.001 degree.
RANGE_ROUNDING_RAD = 1e-6


@dataclass(frozen=True)
class GripperPolicy:
    """When a gripper target is sent: it differs by more than `deadband`, at most every `interval_s`."""

    deadband: float = 0.02
    interval_s: float = 0.1


@dataclass(frozen=True)
class StreamStatistics:
    """Figures of the stream: frames sent in all, frames of the last second, lateness of recent frames."""

    frames_sent: int
    rate_hz: float
    lateness_p99_ms: float
    lateness_max_ms: float
    missed_periods: int


class Streamer:
    """Sends the joint stream.

    Args:
        send: sends one frame of 7 angles (rad), returns 0 when the link took it; may be called in this
            object's thread only.
        send_gripper: takes a gripper target 0..1 and returns at once.
        watchdog: called every period, engaged or not, with the monotonic time.
        on_failure: called with a text, and whether the link did not take the frame, when a frame was not
            sent; the streamer is disengaged then.
        period_s: time between frames.
        gripper: when gripper targets are sent.
        executor: limits of the setpoint's motion, and how chunks are mixed.
    """

    def __init__(
        self,
        send: Callable[[tuple[float, ...]], int],
        send_gripper: Callable[[float], None],
        watchdog: Callable[[float], None],
        on_failure: Callable[[str, bool], None],
        period_s: float = 0.01,
        gripper: GripperPolicy | None = None,
        executor: ExecutorSettings | None = None,
    ) -> None:
        self._send, self._send_gripper = send, send_gripper
        self._watchdog, self._on_failure = watchdog, on_failure
        self._period_s = period_s
        self._gripper = gripper or GripperPolicy()
        self._executor_settings = executor or ExecutorSettings()
        self._submit_lock = threading.Lock()  # one chunk at a time is checked; the stream never waits for it
        self._lock = threading.Lock()  # guards which executor is engaged; never held while a frame is sent
        self._executor = ChunkExecutor((0.0,) * (JOINT_COUNT + 1), 0.0, self._executor_settings)
        self._engaged = False
        self._in_flight = False
        self._clock_s = 0.0
        self._last_frame: tuple[float, ...] | None = None
        self._gripper_sent = 0.0
        self._gripper_sent_s = -math.inf
        # Joint limits of the arm that is connected; set before `engage`.
        self.ranges: Limits = RATED_LIMITS
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._frames_sent = 0
        self._missed_periods = 0
        self._lateness_s: deque[float] = deque(maxlen=1000)
        self._sent_at_s: deque[float] = deque(maxlen=400)

    def start(self) -> None:
        """Start the thread; nothing is sent before `engage`."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._run, name="realman-stream", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Disengage and end the thread; False when it did not end in time."""
        self.halt()
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def engage(self, setpoint: Setpoint, now_s: float) -> None:
        """Start sending, holding `setpoint` (8,) until a chunk comes."""
        with self._lock:
            self._executor = ChunkExecutor(setpoint, now_s, self._executor_settings, self.ranges)
            self._clock_s = now_s
            self._last_frame = None
            self._gripper_sent = setpoint[JOINT_COUNT]
            self._gripper_sent_s = -math.inf
            self._engaged = True

    def halt(self) -> bool:
        """Stop sending, without waiting for anything; True when a frame was just being sent."""
        self._engaged = False
        return self._in_flight

    @property
    def in_flight(self) -> bool:
        """Whether a frame is just being sent."""
        return self._in_flight

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no frame is being sent; False when that takes longer (a call stuck in the SDK)."""
        end_s = time.monotonic() + timeout_s
        while self._in_flight:
            if time.monotonic() >= end_s:
                return False
            time.sleep(0.0005)
        return True

    @property
    def engaged(self) -> bool:
        """Whether frames are being sent."""
        return self._engaged

    @property
    def active(self) -> bool:
        """Whether a chunk is being executed."""
        return self._engaged and self._executor.active

    @property
    def setpoint(self) -> Setpoint:
        """(8,) the present setpoint."""
        return self._executor.setpoint

    def submit(
        self, check: Callable[[Setpoint], Chunk | Refusal], now_s: float, observed_s: float | None = None
    ) -> Refusal | None:
        """Check a chunk against the setpoint at its observation and execute it when it passes.

        Args:
            check: takes that (8,) setpoint, returns the chunk or a refusal.
            now_s: monotonic time of receipt.
            observed_s: monotonic time of the observation, from which the chunk's times count; None: now.

        Returns:
            None when it runs now, otherwise the refusal; then the earlier chunk goes on.
        """
        observed_s = now_s if observed_s is None else min(observed_s, now_s)
        with self._submit_lock:
            # The stream goes on meanwhile; what it does changes nothing of the setpoint at a past moment, and
            # the executor lets a new curve take over at a moment that lies ahead.
            with self._lock:
                if not self._engaged:
                    return _not_enabled()
                executor = self._executor
            was_active = executor.active
            result = check(executor.setpoint_at(observed_s))
            refusal = result if isinstance(result, Refusal) else executor.load(result, observed_s)
            if refusal is not None:
                return refusal
            with self._lock:
                if not self._engaged or self._executor is not executor:
                    return _not_enabled()
                if not was_active:
                    self._clock_s = max(self._clock_s, now_s)
            return None

    def resend_gripper(self) -> None:
        """Let the next frame send the gripper target again, after a command was not taken."""
        self._gripper_sent = math.inf

    def statistics(self, now_s: float) -> StreamStatistics:
        """Figures of the stream up to now."""
        lateness = sorted(tuple(self._lateness_s))
        p99 = lateness[min(len(lateness) - 1, int(0.99 * len(lateness)))] if lateness else 0.0
        return StreamStatistics(
            frames_sent=self._frames_sent,
            rate_hz=float(sum(1 for sent in tuple(self._sent_at_s) if now_s - sent <= 1.0)),
            lateness_p99_ms=p99 * 1000.0,
            lateness_max_ms=(lateness[-1] if lateness else 0.0) * 1000.0,
            missed_periods=self._missed_periods,
        )

    def _run(self) -> None:
        deadline_s = time.monotonic()
        while not self._closing.is_set():
            deadline_s += self._period_s
            wait_s = deadline_s - time.monotonic()
            if wait_s > 0.0:
                time.sleep(wait_s)
            now_s = time.monotonic()
            late_s = now_s - deadline_s
            if late_s > self._period_s:
                # A burst of frames to catch up would be worse than missing some.
                if self._engaged:
                    self._missed_periods += int(late_s / self._period_s)
                deadline_s = now_s
            if self._engaged:
                self._lateness_s.append(late_s)
            self._watchdog(now_s)
            self.tick()

    def tick(self, now_s: float | None = None) -> None:
        """One period: advance the setpoint and send it; called by the thread, or with a time by a test."""
        with self._lock:
            if not self._engaged:
                return
            if now_s is None:
                now_s = time.monotonic()
            step_s = min(max(0.0, now_s - self._clock_s), MAX_PERIODS_PER_FRAME * self._period_s)
            self._clock_s = now_s
            setpoint = self._executor.advance(step_s, now_s)
            gripper_target = self._executor.gripper_target
        frame = setpoint[:JOINT_COUNT]
        fault, link_is_gone = frame_fault(frame, self._last_frame), False
        # The order matters: halt() clears the first flag and then reads the second, so either no frame is
        # sent here, or the one who halts knows that one is under way.
        self._in_flight = True
        try:
            if not self._engaged:
                return
            if fault is None:
                code = self._send(frame)
                if code != 0:
                    link_is_gone = True
                    fault = f"a frame could not be sent: {describe_return_code(code)}"
        finally:
            self._in_flight = False
        if fault is not None:
            self._engaged = False
            self._on_failure(fault, link_is_gone)
            return
        self._last_frame = frame
        self._frames_sent += 1
        self._sent_at_s.append(now_s)
        self._follow_gripper(gripper_target, now_s)

    def _follow_gripper(self, target: float | None, now_s: float) -> None:
        if target is None or now_s - self._gripper_sent_s < self._gripper.interval_s:
            return
        if abs(target - self._gripper_sent) > self._gripper.deadband:
            self._gripper_sent, self._gripper_sent_s = target, now_s
            self._send_gripper(target)


def _not_enabled() -> Refusal:
    text = "the arm is not enabled, the chunk is not executed"
    return Refusal("not_enabled", "", "disabled", "enabled", text)


def frame_fault(frame: tuple[float, ...], last_frame: tuple[float, ...] | None) -> str | None:
    """Last look at a frame before it leaves: finite, in the joint's range, no further than the arm follows.

    Args:
        frame: (7,) rad.
        last_frame: (7,) the frame before, None for the first.

    Returns:
        None, or what is wrong with joint, value and bound.
    """
    for name, angle in zip(JOINT_NAMES, frame, strict=True):
        if not math.isfinite(angle):
            return f"{name}: a frame with {angle} rad was about to be sent"
    for name, angle, (low, high) in zip(JOINT_NAMES, frame, RATED_LIMITS, strict=True):
        if not low - RANGE_ROUNDING_RAD <= angle <= high + RANGE_ROUNDING_RAD:
            bound = f"[{low:.4f}, {high:.4f}] rad"
            return f"{name}: a frame with {angle:.4f} rad was about to be sent, allowed is {bound}"
    if last_frame is not None:
        for name, angle, last in zip(JOINT_NAMES, frame, last_frame, strict=True):
            if abs(angle - last) > MAX_FRAME_STEP_RAD:
                return (
                    f"{name}: a step of {abs(angle - last):.3f} rad between two frames was about to be sent, "
                    f"allowed is at most {MAX_FRAME_STEP_RAD:.3f} rad"
                )
    return None
