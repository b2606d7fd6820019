"""Runs a camera in a thread of its own, and opens it again when it was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kine_cameras.source import CameraError, CameraLost, Frame, Intrinsics, RecordingEnded, Source
from kine_cameras.statistics import FrameReport, FrameStatistics

SLOW_FIGURES_PERIOD_S = 1.0
"""How often temperature and details are asked for."""


class CameraState(StrEnum):
    """Where a camera stands."""

    CLOSED = "closed"
    SEARCHING = "searching"
    STREAMING = "streaming"
    ENDED = "recording ended"


@dataclass(frozen=True)
class WorkerSettings:
    """How a camera is run.

    Attributes:
        rate_hz: what the camera was asked for.
        frame_timeout_s: without a frame for this long the camera counts as lost.
        reconnect_min_s, reconnect_max_s: first and longest pause between attempts to open it; it doubles.
    """

    rate_hz: float = 30.0
    frame_timeout_s: float = 1.0
    reconnect_min_s: float = 0.2
    reconnect_max_s: float = 2.0


@dataclass(frozen=True)
class CameraReport:
    """What a camera says about itself.

    Attributes:
        state: where it stands.
        reason: why it is not streaming, or why it was lost last.
        frames: rate, drops and age.
        opened: how often it was opened; one more than how often it came back.
        temperature_c: of its electronics; None where it is not told.
        details: model, serial number and the like.
    """

    state: CameraState
    reason: str
    frames: FrameReport
    opened: int
    temperature_c: float | None
    details: dict[str, str]


class CameraWorker:
    """Delivers the frames of a source until `close`.

    Args:
        source: the camera.
        deliver: called for each frame, in the worker's thread, with the camera's own intrinsics or None.
        log: called with one sentence for each change: opened, lost, not found. The same cause is said once.
        settings: rate and time-outs.
        warn: called in place of `log` when the camera is missing.
    """

    def __init__(
        self,
        source: Source,
        deliver: Callable[[Frame, Intrinsics | None], None],
        log: Callable[[str], object],
        settings: WorkerSettings,
        warn: Callable[[str], object] | None = None,
    ) -> None:
        self._source, self._deliver, self._settings = source, deliver, settings
        self._log, self._warn = log, warn or log
        self._statistics = FrameStatistics(settings.rate_hz)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._state, self._reason, self._opened = CameraState.CLOSED, "", 0
        self._temperature_c: float | None = None
        self._details: dict[str, str] = {}

    def start(self) -> None:
        """Begin to look for the camera."""
        self._state = CameraState.SEARCHING
        self._thread.start()

    def close(self, timeout_s: float = 3.0) -> bool:
        """End the stream; False when the thread is stuck in the camera's library."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def report(self) -> CameraReport:
        """The present figures; from any thread."""
        with self._lock:
            frames = self._statistics.report(time.time_ns())
            return CameraReport(
                self._state, self._reason, frames, self._opened, self._temperature_c, dict(self._details)
            )

    def _run(self) -> None:
        pause_s = self._settings.reconnect_min_s
        while not self._stop.is_set():
            frames_before = self._statistics.frames
            try:
                self._stream()
            except RecordingEnded as end:
                self._change(CameraState.ENDED, str(end))
                self._stop.wait()
            except (CameraError, CameraLost) as error:
                self._change(CameraState.SEARCHING, str(error))
            except Exception as error:  # a fault of a library must not leave a camera dead for good
                self._change(CameraState.SEARCHING, f"failed unexpectedly: {error!r}")
            finally:
                self._source.close()
            if self._statistics.frames > frames_before:
                pause_s = self._settings.reconnect_min_s
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._settings.reconnect_max_s)
        with self._lock:
            self._state, self._reason = CameraState.CLOSED, ""

    def _stream(self) -> None:
        """Open the camera and deliver its frames until it is lost, ended, or `close` was called."""
        intrinsics = self._source.open()
        with self._lock:
            self._statistics.restart()
            self._opened += 1
        measured_s = -SLOW_FIGURES_PERIOD_S
        while not self._stop.is_set():
            frame = self._source.read(self._settings.frame_timeout_s)
            with self._lock:
                wanted = self._statistics.take(frame, time.time_ns())
            if self._state is not CameraState.STREAMING:
                self._change(CameraState.STREAMING, "")
            if wanted:
                self._deliver(frame, intrinsics)
            if time.monotonic() - measured_s >= SLOW_FIGURES_PERIOD_S:
                temperature_c, details = self._source.temperature_c(), self._source.details()
                with self._lock:
                    self._temperature_c, self._details = temperature_c, details
                measured_s = time.monotonic()

    def _change(self, state: CameraState, reason: str) -> None:
        with self._lock:
            said = (state, reason) == (self._state, self._reason)
            self._state, self._reason = state, reason
        if not said:
            say = self._warn if state is CameraState.SEARCHING else self._log
            say(f"{self._source.name}: {reason or state}")
