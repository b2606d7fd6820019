"""The vendor's SDK as one thing per process: its thread and its callback.

- Two-thread mode, which never hands out a stale answer and leaves the state datagrams to `state_receiver`;
  initialised once and never destroyed, since a destroyed SDK never connects again.
- The SDK has one event callback for all arms of a process, and crashes when a callback object was collected:
  it lives here, at module level, and passes on to the receivers that are registered.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from Robotic_Arm.rm_robot_interface import (
    RoboticArm,
    rm_event_callback_ptr,
    rm_thread_mode_e,
)


class Receiver(Protocol):
    """Who is told about events, in the SDK's thread."""

    def receive_event(self, data: Any) -> None:
        """One arrival event (the SDK's structure)."""


_receivers: list[Receiver] = []
_lock = threading.Lock()
_initialised = False


def _dispatch_event(data: Any) -> None:
    for receiver in tuple(_receivers):
        receiver.receive_event(data)


_EVENT_CALLBACK = rm_event_callback_ptr(_dispatch_event)


def new_robot() -> RoboticArm:
    """An SDK object without connection; the first one of the process starts the SDK's thread."""
    global _initialised
    with _lock:
        if _initialised:
            return RoboticArm()
        robot = RoboticArm(rm_thread_mode_e.RM_DUAL_MODE_E)
        robot.rm_get_arm_event_call_back(_EVENT_CALLBACK)
        _initialised = True
        return robot


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
