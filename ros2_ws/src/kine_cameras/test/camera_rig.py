"""A worker with its frames and log lines, and waiting for conditions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kine_cameras import CameraWorker, Frame, Intrinsics, Source, WorkerSettings

SMALL = Intrinsics(160, 120, 150.0, 151.0, 79.5, 59.5, (0.01, -0.02, 0.001, 0.002, 0.0))


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0, what: str = "") -> Any:
    """Poll until the condition is true; its value."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what or condition}")


class Running:
    """A source run by a worker, with everything it delivered and said."""

    def __init__(self, source: Source, **settings: float) -> None:
        self.frames: list[Frame] = []
        self.intrinsics: Intrinsics | None = None
        self.said: list[str] = []
        options = {"frame_timeout_s": 0.5, "reconnect_min_s": 0.05, "reconnect_max_s": 0.1} | settings
        self.worker = CameraWorker(source, self._take, self.said.append, WorkerSettings(**options))

    def _take(self, frame: Frame, intrinsics: Intrinsics | None) -> None:
        self.frames.append(frame)
        self.intrinsics = intrinsics

    def wait_frames(self, more: int) -> None:
        """Wait until so many further frames were delivered."""
        before = len(self.frames)
        wait_for(lambda: len(self.frames) >= before + more, what=f"{more} frames; said: {self.said}")

    def __enter__(self) -> Running:
        self.worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.worker.close(10.0), "the worker is stuck"
