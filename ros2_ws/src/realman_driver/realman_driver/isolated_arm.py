"""An arm whose SDK lives in a process of its own: what kills or hangs the SDK leaves the node alive.

The node's side of `sdk_host`. A stop that the process does not take at once, or that its link cannot carry,
goes to the controller over a fresh TCP connection (`raw_stop`).
"""

from __future__ import annotations

import json
import pickle
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from kine_nodes.child import child_environment, module_command

from . import sdk_wire
from .arm_interface import (
    NO_CONTROLLER,
    ArmError,
    ArmInfo,
    EventCallback,
    LinkSettings,
    MotionEvent,
    RawState,
    StateCallback,
)
from .raw_stop import CONFIRMED, NO_ANSWER, SENDING_FAILED, send_raw_stop

_HOST = "realman_driver.sdk_host"
# A frame that is not sent by then counts as not sent (a full buffer in front of a frozen controller).
FRAME_TIMEOUT_S = 0.3
# A healthy process takes a stop within a millisecond; then the SDK answers within its own half second.
STOP_TAKEN_TIMEOUT_S = 0.05
STOP_TIMEOUT_S = 0.8
RAW_STOP_TIMEOUT_S = 0.3
REQUEST_TIMEOUT_S = 15.0
END_TIMEOUT_S = 0.3
# A link that breaks while a request waits can leave the SDK deaf for ever: then a new process helps.
MAX_DEAF_CONNECTS = 3


@dataclass
class _Host:
    """One process and the node's end of its sockets."""

    process: subprocess.Popen[bytes]
    sockets: sdk_wire.Sockets
    ending: bool = False


class IsolatedArm:
    """`Arm` over a process; see `RealmanArm` for the rules kept there.

    Args:
        settings: addresses of the link.
        ros_clock_ns: the ROS time, ns.
        on_death: told why, in a foreign thread, when the process ended by itself.
    """

    def __init__(
        self, settings: LinkSettings, ros_clock_ns: Callable[[], int], on_death: Callable[[str], None]
    ) -> None:
        self._settings, self._ros_clock_ns, self._on_death = settings, ros_clock_ns, on_death
        self._host: _Host | None = None
        self._host_lock = threading.Lock()
        self._request_lock = threading.Lock()
        self._stop_lock = threading.Lock()
        self._request_number = 0
        self._frame_number = 0
        self._stop_number = 0
        self._on_state: StateCallback | None = None
        self._on_event: EventCallback | None = None
        self._deaf_connects = 0
        self.deaths = 0
        self.raw_stops = 0

    @property
    def process_id(self) -> int | None:
        """Of the process that holds the SDK; None when there is none."""
        host = self._host
        return None if host is None else host.process.pid

    def set_callbacks(self, on_state: StateCallback, on_event: EventCallback) -> None:
        """Register the receivers of state datagrams and arrival events (called in another thread)."""
        self._on_state, self._on_event = on_state, on_event

    def connect(self) -> ArmInfo:
        """Start the process if there is none, and make the link. Raises ArmError."""
        with self._host_lock:
            if self._host is None:
                self._host = self._start()
        try:
            info = self._request("connect")
        except ArmError as error:
            self._deaf_connects = self._deaf_connects + 1 if NO_CONTROLLER in str(error) else 0
            if self._deaf_connects >= MAX_DEAF_CONNECTS:
                self.release()
            raise
        self._deaf_connects = 0
        assert isinstance(info, ArmInfo)
        return info

    def disconnect(self) -> None:
        """Close the link; harmless when there is none."""
        if self._host is not None:
            try:
                self._request("disconnect")
            except ArmError:
                return  # the process has died: so has its link

    def release(self) -> None:
        """End the process; the object is not used afterwards, or connects anew."""
        with self._host_lock:
            host, self._host = self._host, None
        self._deaf_connects = 0
        if host is not None:
            _end(host)

    def send_setpoint_rad(self, position_rad: tuple[float, ...]) -> int:
        """Send one frame of the joint stream; 0 when the SDK took it. For one thread only."""
        host = self._host
        if host is None:
            return SENDING_FAILED
        self._frame_number += 1
        number, frames = self._frame_number, host.sockets.frames
        try:
            frames.send(sdk_wire.pack_frame(number, position_rad))
            end_s = time.monotonic() + FRAME_TIMEOUT_S
            while data := _receive(frames, end_s - time.monotonic()):
                answered, code = sdk_wire.unpack_frame_answer(data)
                if answered == number:
                    return 0 if code == sdk_wire.VOID_FRAME else code
        except (OSError, ValueError):
            return SENDING_FAILED
        return SENDING_FAILED if host.process.poll() is not None else NO_ANSWER

    def stop(self) -> int:
        """Ask for the fastest stop through the SDK, or without it when that does not go; 0 when confirmed."""
        code = self._stop_through_sdk()
        if code in (SENDING_FAILED, NO_ANSWER):
            self.raw_stops += 1
            settings = self._settings
            raw = send_raw_stop(settings.robot_ip, settings.robot_port, RAW_STOP_TIMEOUT_S)
            code = raw if code == SENDING_FAILED or raw == CONFIRMED else code
        return code

    def start_move_rad(self, position_rad: tuple[float, ...], speed_percent: int) -> None:
        """Start a planned joint motion and return at once. Raises ArmError."""
        self._request("start_move_rad", position_rad, speed_percent)

    def set_gripper(self, opening: float) -> None:
        """Send a gripper target, 0 closed to 1 open, without waiting for the motion. Raises ArmError."""
        self._request("set_gripper", opening)

    def gripper_opening(self) -> float:
        """Measured gripper opening, 0 closed to 1 open. Raises ArmError."""
        return float(self._request("gripper_opening"))

    def measured_position_rad(self) -> tuple[float, ...]:
        """Measured joint angles (7,), asked for by a request. Raises ArmError."""
        return tuple(self._request("measured_position_rad"))

    def clear_errors(self, joint_numbers: tuple[int, ...]) -> None:
        """Clear system errors and the errors of the joints named (1..7). Raises ArmError."""
        self._request("clear_errors", joint_numbers)

    def power_joints(self, joint_numbers: tuple[int, ...]) -> None:
        """Switch the power of the joints named (1..7) on. Raises ArmError."""
        self._request("power_joints", joint_numbers)

    def take_over(self) -> None:
        """Let the next `connect` take the arm's state back from another client. Raises ArmError."""
        if self._host is not None:
            self._request("take_over")

    def _stop_through_sdk(self) -> int:
        host = self._host
        if host is None:
            return SENDING_FAILED
        with self._stop_lock:
            self._stop_number += 1
            number, stops = self._stop_number, host.sockets.stops
            try:
                stops.send(sdk_wire.pack_stop(number, self._frame_number))
                taken, end_s = False, time.monotonic() + STOP_TAKEN_TIMEOUT_S
                while data := _receive(stops, end_s - time.monotonic()):
                    answered, code = sdk_wire.unpack_frame_answer(data)
                    if answered != number:
                        continue
                    if taken:
                        return code
                    taken, end_s = True, time.monotonic() + STOP_TIMEOUT_S
            except (OSError, ValueError):
                return SENDING_FAILED
        return NO_ANSWER

    def _request(self, method: str, *arguments: Any) -> Any:
        host = self._host
        if host is None:
            raise ArmError(f"{method}: there is no connection")
        with self._request_lock:
            self._request_number += 1
            number, requests = self._request_number, host.sockets.requests
            try:
                requests.send(pickle.dumps((number, method, arguments)))
                end_s = time.monotonic() + REQUEST_TIMEOUT_S
                while data := _receive(requests, end_s - time.monotonic()):
                    answered, kind, value = sdk_wire.unpack_answer(data)
                    if answered != number:
                        continue
                    if kind == "ok":
                        return value
                    raise ArmError(value if kind == "arm_error" else f"{method}: {value}")
            except (OSError, ValueError) as error:
                raise ArmError(f"{method}: {_end_text(host)}") from error
            if time.monotonic() >= end_s:
                host.process.kill()
                raise ArmError(
                    f"{method} hung in the SDK for {REQUEST_TIMEOUT_S:.0f} s, its process is ended"
                )
            raise ArmError(f"{method}: {_end_text(host)}")

    def _start(self) -> _Host:
        ours, theirs = sdk_wire.pair()
        descriptors = theirs.descriptors()
        arguments = (json.dumps(asdict(self._settings)), *map(str, descriptors))
        try:
            process = subprocess.Popen(
                module_command(_HOST, *arguments),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                env=child_environment(_HOST),
            )
        except OSError as error:
            raise ArmError(f"the process of the SDK could not be started: {error}") from error
        finally:
            for one in (theirs.frames, theirs.stops, theirs.requests, theirs.news):
                one.close()
        host = _Host(process, ours)
        threading.Thread(target=self._listen, args=(host,), name="realman-news", daemon=True).start()
        return host

    def _listen(self, host: _Host) -> None:
        """Thread: pass on what the arm says, until the process ends."""
        while data := _receive(host.sockets.news, None):
            kind, values = sdk_wire.unpack_news(data)
            if kind == sdk_wire.STATE:
                self._pass_state(values)
            elif self._on_event is not None:
                self._on_event(MotionEvent(*values))
        if not host.ending:
            self._died(host)

    def _pass_state(self, values: tuple[Any, ...]) -> None:
        if self._on_state is None:
            return
        age_ns = round((time.monotonic() - values[-1]) * 1e9)
        measured: Any = (*values, self._ros_clock_ns() - age_ns)
        self._on_state(RawState(*measured))

    def _died(self, host: _Host) -> None:
        with self._host_lock:
            if self._host is host:
                self._host = None
        self.deaths += 1
        text = _end_text(host)
        host.sockets.close()
        self._on_death(text)


def _end(host: _Host) -> None:
    host.ending = True
    host.sockets.close()
    try:
        host.process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        host.process.kill()
        host.process.wait()


def _end_text(host: _Host) -> str:
    """Wait for the end of a process whose sockets are closed, and say how it ended."""
    try:
        code = host.process.wait(1.0)
    except subprocess.TimeoutExpired:
        host.process.kill()
        code = host.process.wait()
    how = f"exit code {code}" if code >= 0 else signal.strsignal(-code) or f"signal {-code}"
    return f"the process of the SDK ended by itself ({how})"


def _receive(one: Any, timeout_s: float | None) -> bytes:
    """The next message; empty when there is none in time or the other end is gone."""
    if timeout_s is not None:
        waiting = select.poll()
        waiting.register(one.fileno(), select.POLLIN)
        if not waiting.poll(max(0.0, timeout_s) * 1000.0):
            return b""
    try:
        data: bytes = one.recv(sdk_wire.MAX_MESSAGE_BYTES)
    except OSError:
        return b""
    return data
