"""Sends the stop from its own thread, so that it waits for no request and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future


class StopSender:
    """A thread that does nothing but send stops.

    Args:
        stop: sends the stop, returns 0 when the controller confirmed it; may take half a second.
        frame_in_flight: whether a stream frame is just being sent.
        wait_idle: waits up to the given seconds for that frame.
    """

    def __init__(
        self, stop: Callable[[], int], frame_in_flight: Callable[[], bool], wait_idle: Callable[[float], bool]
    ) -> None:
        self._stop, self._frame_in_flight, self._wait_idle = stop, frame_in_flight, wait_idle
        self._wake = threading.Event()
        self._closing = False
        self._lock = threading.Lock()
        self._waiting: list[Future[int]] = []
        self._thread: threading.Thread | None = None
        self.sent = 0

    def start(self) -> None:
        """Start the thread."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="realman-stop", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """End the thread after the stops requested so far; False when it did not end in time."""
        self._closing = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def request(self) -> Future[int]:
        """Have the stop sent now; the future yields its return code."""
        future: Future[int] = Future()
        with self._lock:
            self._waiting.append(future)
        self._wake.set()
        return future

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
            if waiting:
                code = self._send()
                for future in waiting:
                    future.set_result(code)
            elif self._closing:
                return
            if self._closing:
                self._wake.set()

    def _send(self) -> int:
        overtaken = self._frame_in_flight()
        code = self._stop()
        self.sent += 1
        if overtaken:
            # A frame that was under way may have reached the controller after the stop: stop once more.
            self._wait_idle(0.05)
            code = self._stop()
            self.sent += 1
        return code
