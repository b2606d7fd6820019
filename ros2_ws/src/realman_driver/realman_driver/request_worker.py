"""One thread for everything that waits for the controller: connecting, requests, gripper.

It keeps the link: connects, runs the jobs handed to it, polls while connected, and after a loss connects
again with growing pauses. Nobody else waits for the controller, so nobody else can be held up by it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from .arm_interface import ArmError

Job = Callable[[], Any]


@dataclass(frozen=True)
class WorkerTiming:
    """Period of the poll and the shortest and longest pause between attempts to connect, s."""

    poll_period_s: float = 0.1
    reconnect_min_s: float = 0.25
    reconnect_max_s: float = 5.0


class RequestWorker:
    """Keeps the link and runs jobs in order.

    Args:
        is_connected: whether the link stands.
        connect: makes the link, raises ArmError.
        on_connect_failed: told the reason after each failed attempt.
        poll: called every poll period while connected.
        timing: the periods.
    """

    def __init__(
        self,
        is_connected: Callable[[], bool],
        connect: Callable[[], None],
        on_connect_failed: Callable[[str], None],
        poll: Callable[[], None],
        timing: WorkerTiming,
    ) -> None:
        self._is_connected, self._connect = is_connected, connect
        self._on_connect_failed, self._poll = on_connect_failed, poll
        self._timing = timing
        self._jobs: queue.Queue[tuple[Job, Future[Any]] | None] = queue.Queue()
        self._newest_job: Job | None = None
        self._newest_lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; it connects at once."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._run, name="realman-requests", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """End the thread; False when it did not end in time (a call stuck in the SDK)."""
        self._closing.set()
        self._jobs.put(None)
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def submit(self, job: Job) -> Future[Any]:
        """Run a job after those submitted before; it fails at once with ArmError while not connected."""
        future: Future[Any] = Future()
        if not self._is_connected() or self._closing.is_set():
            future.set_exception(ArmError("not connected"))
        else:
            self._jobs.put((job, future))
        return future

    def submit_newest(self, job: Job) -> None:
        """Run a job soon; a job given here before that did not run yet is dropped for it."""
        with self._newest_lock:
            self._newest_job = job
        self._jobs.put(None)

    def _run(self) -> None:
        pause_s = self._timing.reconnect_min_s
        while not self._closing.is_set():
            if not self._is_connected():
                self._fail_waiting_jobs("the link was lost")
                try:
                    self._connect()
                    pause_s = self._timing.reconnect_min_s
                except Exception as error:  # whatever it is, this thread has to stay alive and try again
                    text = str(error) if isinstance(error, ArmError) else f"{type(error).__name__}: {error}"
                    self._on_connect_failed(text)
                    self._closing.wait(pause_s)
                    pause_s = min(2.0 * pause_s, self._timing.reconnect_max_s)
                continue
            self._serve()
        self._fail_waiting_jobs("the driver is closing")

    def _serve(self) -> None:
        """While connected: polls when due, jobs in between."""
        next_poll_s = time.monotonic()
        while self._is_connected() and not self._closing.is_set():
            now_s = time.monotonic()
            if now_s >= next_poll_s:
                next_poll_s = now_s + self._timing.poll_period_s
                self._poll()
            try:
                item = self._jobs.get(timeout=max(0.0, next_poll_s - time.monotonic()))
            except queue.Empty:
                continue
            with self._newest_lock:
                newest, self._newest_job = self._newest_job, None
            if newest is not None:
                newest()
            if item is not None:
                run_job(*item)

    def _fail_waiting_jobs(self, reason: str) -> None:
        self._newest_job = None
        while True:
            try:
                item = self._jobs.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                item[1].set_exception(ArmError(reason))


def run_job(job: Job, future: Future[Any]) -> None:
    """Run a job and give its result or error to the future."""
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
