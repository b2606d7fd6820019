"""Runs planned paths one after the other: chaining, pause, continue, stop on the path, arrival."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .paths import PlannedPath

FloatArray = NDArray[np.float64]
_PAUSE_RAMP_S = 0.25
_SLOW_STOP_RAMP_S = 0.5
_SETTLE_RAD = float(np.radians(0.1))
_SETTLE_TIMEOUT_S = 0.8

Arrival = Callable[[str, bool, int], None]
"""Called with (client, arrived, trajectory_connect) when a planned motion ends."""


@dataclass
class _Job:
    path: PlannedPath
    client: str
    connect: int
    time_s: float = 0.0
    waited_s: float = 0.0


class TrajectoryRunner:
    """Queue of planned paths with one clock, whose rate 0..1 makes pauses and stops smooth.

    Not safe for several threads by itself: the motion engine serialises access.
    """

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._jobs: deque[_Job] = deque()
        self._chain: list[_Job] = []
        self._rate = 1.0
        self._rate_goal = 1.0
        self._ramp_s = _PAUSE_RAMP_S
        self.paused = False
        self.slow_stopping = False

    @property
    def running(self) -> bool:
        """Whether a path is being followed, or is paused."""
        return bool(self._jobs)

    @property
    def type(self) -> str:
        """Type of the path being followed, or `none`."""
        return self._jobs[0].path.type if self._jobs else "none"

    def end_rad(self) -> FloatArray | None:
        """Where the last waiting path ends, (7,) rad; None when nothing waits."""
        jobs = [*self._jobs, *self._chain]
        return jobs[-1].path.end_rad if jobs else None

    def add(self, path: PlannedPath, client: str, connect: int) -> None:
        """Queue a path; with `connect` 1 it waits for the path that ends the chain."""
        self._chain.append(_Job(path, client, connect))
        if connect == 0:
            self._jobs.extend(self._chain)
            self._chain.clear()

    def pause(self) -> None:
        """Slow down to rest on the path."""
        if self._jobs and not self.slow_stopping:
            self.paused = True
            self._rate_goal, self._ramp_s = 0.0, _PAUSE_RAMP_S

    def resume(self) -> None:
        """Go on along the path."""
        if not self.slow_stopping:
            self.paused = False
            self._rate_goal, self._ramp_s = 1.0, _PAUSE_RAMP_S

    def slow_stop(self) -> None:
        """Slow down to rest on the path, then drop everything."""
        self.paused, self.slow_stopping = False, True
        self._rate_goal, self._ramp_s = 0.0, _SLOW_STOP_RAMP_S

    def drop(self) -> None:
        """Forget all paths at once and tell their clients that they did not arrive."""
        dropped = [*self._jobs, *self._chain]
        self._jobs.clear()
        self._chain.clear()
        self._reset_rate()
        for job in dropped:
            self._arrival(job.client, False, job.connect)

    def step(self, setpoint: FloatArray, measured: FloatArray, dt_s: float) -> FloatArray:
        """Next set-point (7,) rad after `setpoint`; `measured` tells whether the arm arrived."""
        change = dt_s / self._ramp_s
        self._rate += float(np.clip(self._rate_goal - self._rate, -change, change))
        if self.slow_stopping and self._rate == 0.0:
            self.drop()
            return setpoint
        job = self._jobs[0]
        job.time_s += dt_s * self._rate
        if job.time_s < job.path.duration_s:
            return job.path.sample(job.time_s)
        job.waited_s += dt_s
        error = float(np.max(np.abs(measured - job.path.end_rad)))
        # A connected motion hands over to the next one without waiting for the arm to settle.
        if error < _SETTLE_RAD or job.waited_s > _SETTLE_TIMEOUT_S or job.connect:
            self._jobs.popleft()
            if not self._jobs:
                self._reset_rate()
            self._arrival(job.client, True, job.connect)
        return job.path.end_rad

    def _reset_rate(self) -> None:
        self._rate = self._rate_goal = 1.0
        self.paused = self.slow_stopping = False
