"""The simulated robot in real time: physics, cameras and judge, each at its own pace.

Plain threads without ROS. The emulated controller drives the same world through `controller.world_backend`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kine_sim.cameras import CAMERAS
from kine_sim.world import World

PHYSICS_SLICE_S = 0.004
JUDGE_PERIOD_S = 0.02
MAX_LAG_S = 0.25


class Watcher(Protocol):
    """What judges a world that is running."""

    def observe(self, world: World) -> None:
        """See the world as it is now."""

    def told(self) -> dict[str, Any]:
        """Return the verdict so far: goal_success, kinematics_success, reasons, and more."""


class LiveWorld:
    """Keeps a `World` in step with the wall clock and hands out camera frames.

    Args:
        world: physics and renderer.
        judge: watches the world; never seen by driver or policy.
        after_step: called by the physics thread after each slice, with the world locked.
        on_frame: called by the camera thread with camera, capture time (ns, from `clock_ns`) and image.
        clock_ns: the clock for capture times.
        camera_rate_hz: frames per second of each camera.
    """

    def __init__(
        self,
        world: World,
        judge: Watcher,
        after_step: Callable[[], None],
        on_frame: Callable[[str, int, NDArray[np.uint8]], None],
        clock_ns: Callable[[], int],
        camera_rate_hz: float,
    ) -> None:
        self.world = world
        self._judge = judge
        self._after_step = after_step
        self._on_frame = on_frame
        self._clock_ns = clock_ns
        self._camera_period_s = 1.0 / camera_rate_hz
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run_physics, name="physics", daemon=True),
            threading.Thread(target=self._run_cameras, name="cameras", daemon=True),
        ]
        self.time_lost_s = 0.0
        self.frames = 0

    def start(self) -> None:
        """Start physics and cameras."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop both threads and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=3.0)

    def verdict(self) -> dict[str, Any]:
        """The judge's present opinion."""
        with self.world.lock:
            return self._judge.told()

    def _run_physics(self) -> None:
        steps = max(1, round(PHYSICS_SLICE_S / self.world.timestep_s))
        slice_s = steps * self.world.timestep_s
        due_s = time.monotonic()
        judge_due_s = due_s
        while not self._stopping.is_set():
            with self.world.lock:
                self.world.step(steps)
                self._after_step()
                if due_s >= judge_due_s:
                    self._judge.observe(self.world)
                    judge_due_s += JUDGE_PERIOD_S
            due_s += slice_s
            ahead_s = due_s - time.monotonic()
            if ahead_s > 0:
                time.sleep(ahead_s)
            elif ahead_s < -MAX_LAG_S:
                # A machine that cannot keep up loses time rather than running after it in a burst.
                self.time_lost_s -= ahead_s
                due_s -= ahead_s

    def _run_cameras(self) -> None:
        due_s = time.monotonic()
        while not self._stopping.is_set():
            with self.world.lock:  # one moment for both cameras; drawing does not hold up the physics
                stamp_ns = self._clock_ns()
                snapshot = self.world.snapshot()
            for camera in CAMERAS:
                self._on_frame(camera, stamp_ns, self.world.render_snapshot(camera, snapshot))
            self.frames += 1
            due_s += self._camera_period_s
            wait_s = due_s - time.monotonic()
            if wait_s < 0:
                due_s = time.monotonic()
            elif self._stopping.wait(wait_s):
                break
        self.world.close_renderers()
