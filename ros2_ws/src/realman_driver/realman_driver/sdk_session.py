"""The vendor's SDK as one thing per process: its threads and its two callbacks.

- Three-thread mode, the only one that delivers state datagrams and never hands out a stale answer;
  initialised once and never destroyed, since a destroyed SDK never connects again.
- The SDK has one callback of each kind for all arms of a process, and crashes when a callback object was
  collected: both live here, at module level, and pass on to the receivers that are registered.
- The SDK never closes a UDP socket it opened, so a process keeps the UDP port it began with (`udp_port`).
"""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

from Robotic_Arm.rm_robot_interface import (
    RoboticArm,
    rm_event_callback_ptr,
    rm_realtime_arm_state_callback_ptr,
    rm_thread_mode_e,
)


class Receiver(Protocol):
    """Who is told about datagrams and events, in the SDK's threads."""

    def receive_state(self, data: Any, arrived_s: float) -> None:
        """One state datagram (the SDK's structure) and the monotonic time of its arrival."""

    def receive_event(self, data: Any) -> None:
        """One arrival event (the SDK's structure)."""


_receivers: list[Receiver] = []
_lock = threading.Lock()
_initialised = False
_udp_port: int | None = None


def _dispatch_state(data: Any) -> None:
    arrived_s = time.monotonic()
    for receiver in tuple(_receivers):
        receiver.receive_state(data, arrived_s)


def _dispatch_event(data: Any) -> None:
    for receiver in tuple(_receivers):
        receiver.receive_event(data)


_STATE_CALLBACK = rm_realtime_arm_state_callback_ptr(_dispatch_state)
_EVENT_CALLBACK = rm_event_callback_ptr(_dispatch_event)


def new_robot() -> RoboticArm:
    """An SDK object without connection; the first one of the process starts the SDK's threads."""
    global _initialised
    with _lock:
        if _initialised:
            return RoboticArm()
        robot = RoboticArm(rm_thread_mode_e.RM_TRIPLE_MODE_E)
        robot.rm_realtime_arm_state_call_back(_STATE_CALLBACK)
        robot.rm_get_arm_event_call_back(_EVENT_CALLBACK)
        _initialised = True
        return robot


def udp_port() -> int | None:
    """The UDP port the SDK listens on in this process, None before the first."""
    return _udp_port


def note_udp_port(port: int) -> None:
    """Remember that the SDK listens on `port` from now on."""
    global _udp_port
    _udp_port = port


def add_receiver(receiver: Receiver) -> None:
    """Tell `receiver` from now on; once, however often it is added."""
    with _lock:
        if receiver not in _receivers:
            _receivers.append(receiver)


def remove_receiver(receiver: Receiver) -> None:
    """Tell `receiver` no more; harmless when it was not told."""
    with _lock:
        if receiver in _receivers:
            _receivers.remove(receiver)
