"""The process that holds the SDK: `python -m realman_driver.sdk_host`, started by `IsolatedArm`.

SDK 1.1.6 aborts its process on an answer of more than about 1 kB, and can hang in a call for ever. Here it
takes nothing but this process with it. Three threads serve the three kinds of orders, so that a stop waits
for neither a frame nor a request. When the node is gone (killed, crashed), or one of the threads, this
process stops the arm and ends.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from kine_nodes.thread_deaths import describe, watch_threads

from . import sdk_output, sdk_wire
from .arm_interface import ArmError, LinkSettings, MotionEvent, RawState
from .sdk_arm import RealmanArm

IN_FLIGHT_WAIT_S = 0.05


class SdkHost:
    """Serves the orders of one node.

    Args:
        arm: the arm behind the SDK.
        sockets: this end.
        leave: ends the process.
    """

    def __init__(self, arm: RealmanArm, sockets: sdk_wire.Sockets, leave: Callable[[], None]) -> None:
        self._arm, self._sockets, self._leave = arm, sockets, leave
        self._in_flight = False
        self._void_up_to = 0
        self._orphan_lock = threading.Lock()
        self.dropped_news = 0

    def run(self) -> None:
        """Serve until the node is gone."""
        watch_threads(self._orphaned)
        self._sockets.news.setblocking(False)
        self._arm.set_callbacks(self._on_state, self._on_event)
        for serve in (self._serve_frames, self._serve_stops):
            threading.Thread(target=serve, name=serve.__name__, daemon=True).start()
        try:
            self._serve_requests()
        except Exception as error:
            print(f"sdk_host: requests are served no more: {describe(error)}", file=sys.stderr)
            self._orphaned()

    def _serve_frames(self) -> None:
        while data := _receive(self._sockets.frames):
            number, position_rad = sdk_wire.unpack_frame(data)
            # As in the stream's own thread: first the flag, then the look whether a stop came meanwhile.
            self._in_flight = True
            try:
                code = (
                    sdk_wire.VOID_FRAME
                    if number <= self._void_up_to
                    else self._arm.send_setpoint_rad(position_rad)
                )
            finally:
                self._in_flight = False
            _send(self._sockets.frames, sdk_wire.pack_frame_answer(number, code))
        self._orphaned()

    def _serve_stops(self) -> None:
        while data := _receive(self._sockets.stops):
            number, last_frame = sdk_wire.unpack_stop(data)
            self._void_up_to = last_frame
            _send(self._sockets.stops, sdk_wire.pack_frame_answer(number, 0))  # received
            code = self._stop()
            _send(self._sockets.stops, sdk_wire.pack_frame_answer(number, code))
        self._orphaned()

    def _serve_requests(self) -> None:
        while data := _receive(self._sockets.requests):
            number, method, arguments = pickle.loads(data)
            _send(self._sockets.requests, sdk_wire.pack_answer(number, *self._call(method, arguments)))
        self._orphaned()

    def _call(self, method: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
        try:
            return "ok", getattr(self._arm, method)(*arguments)
        except ArmError as error:
            return "arm_error", str(error)
        except Exception as error:
            return "error", f"{type(error).__name__}: {error}"

    def _stop(self) -> int:
        overtaken = self._in_flight
        code = self._arm.stop()
        if overtaken:
            # A frame that was under way may have reached the controller after the stop: stop once more.
            end_s = time.monotonic() + IN_FLIGHT_WAIT_S
            while self._in_flight and time.monotonic() < end_s:
                time.sleep(0.0005)
            code = self._arm.stop()
        return code

    def _orphaned(self) -> None:
        """The node is gone: nobody watches the arm any more."""
        with self._orphan_lock:
            self._void_up_to = sys.maxsize
            try:
                self._stop()
            finally:
                self._leave()

    def _on_state(self, raw: RawState) -> None:
        self._tell(sdk_wire.pack_state(raw))

    def _on_event(self, event: MotionEvent) -> None:
        self._tell(sdk_wire.pack_event(event.device, event.success))

    def _tell(self, data: bytes) -> None:
        try:
            self._sockets.news.send(data)
        except OSError:  # the node is busy or gone: what is old by then is better dropped
            self.dropped_news += 1


def _receive(one: socket.socket) -> bytes:
    """The next message; empty when the other end is gone."""
    try:
        return one.recv(sdk_wire.MAX_MESSAGE_BYTES)
    except OSError:
        return b""


def _send(one: socket.socket, data: bytes) -> None:
    try:
        one.send(data)
    except OSError:
        return  # the next receive finds the other end gone


def main(arguments: list[str]) -> None:
    """Serve: the link's settings as JSON, then the four descriptors."""
    # A Ctrl-C reaches the whole group; this process ends when the node has, after it stopped the arm.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sdk_output.hide()
    settings = LinkSettings(**json.loads(arguments[0]))
    sockets = sdk_wire.from_descriptors([int(text) for text in arguments[1:]])
    gc.freeze()  # frames and stops must not wait for a collection through all modules
    # The ROS time of a datagram's arrival is worked out in the node, which has the ROS clock.
    SdkHost(RealmanArm(settings, lambda: 0), sockets, lambda: os._exit(0)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
