"""Running jobs on a few processes, stopping in time and leaving nothing half done."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from kinevla.data.plugins import prepare_rendering
from kinevla.safe_path import safe_path

Job = TypeVar("Job")
Result = TypeVar("Result")


class Deadline:
    """A time budget; None never ends."""

    def __init__(self, max_minutes: float | None) -> None:
        if max_minutes is not None and not max_minutes > 0.0:
            raise ValueError(f"max_minutes must be positive, got {max_minutes}")
        self._end_s = None if max_minutes is None else time.monotonic() + 60.0 * max_minutes

    @property
    def passed(self) -> bool:
        """Whether the budget is used up."""
        return self._end_s is not None and time.monotonic() >= self._end_s

    @property
    def left_minutes(self) -> float | None:
        """What is left of the budget, for handing it on; a used-up one leaves a millisecond, not none."""
        return None if self._end_s is None else max((self._end_s - time.monotonic()) / 60.0, 1e-3 / 60.0)


class _InlineExecutor(Executor):
    """Runs a job at once in this process; used for one worker, where a second process only costs memory."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _end_with_parent() -> None:
    """Let this worker end when the program that started it is gone, however it went.

    A killed parent cannot end its workers, and they keep each other's queue open: they would wait for ever.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class JobRunner(Generic[Job, Result]):
    """Runs jobs one after the other on `workers` processes.

    Args:
        function: what to do with a job; importable by name, because processes are spawned.
        workers: number of processes; 1 works in this process.
    """

    def __init__(self, function: Callable[[Job], Result], workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self._function = function
        self._workers = workers

    def run(
        self, next_job: Callable[[], Job | None], deadline: Deadline
    ) -> Iterator[tuple[Job, Result | None, Exception | None]]:
        """Yield (job, result, None) or (job, None, error) as jobs finish.

        `next_job` is asked whenever a worker is free and returns None when there is nothing to start now;
        it is asked again after the next result. Past the deadline nothing new starts, running jobs finish.

        Raises:
            RuntimeError: a worker process died.
        """
        prepare_rendering()
        pending: dict[Future[Result], Job] = {}
        # On an inline executor a job is finished when it is submitted: one at a time keeps the order plain.
        with safe_path(), self._executor() as executor:
            while True:
                while (
                    len(pending) < self._workers and not deadline.passed and (job := next_job()) is not None
                ):
                    pending[executor.submit(self._function, job)] = job
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    job = pending.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        raise RuntimeError(f"a worker process died while working on {job}") from error
                    if isinstance(error, Exception):
                        yield job, None, error
                    elif error is not None:
                        raise error
                    else:
                        yield job, future.result(), None

    def _executor(self) -> Executor:
        if self._workers == 1:
            return _InlineExecutor()
        # Spawned, not forked: a forked child would share the parent's rendering context and thread pools.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=_end_with_parent)
