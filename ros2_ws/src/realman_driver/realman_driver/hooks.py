"""How the driver tells the outside, so that it needs to know nothing of ROS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .state import ArmState
from .supervisor import State


@dataclass(frozen=True)
class DriverHooks:
    """How the driver tells the outside; all are called in foreign threads and must return soon.

    Attributes:
        on_state: a believed measurement and the gripper's opening, once per datagram.
        on_change: old state, new state, reason.
        log: level ("info", "warning", "error") and a text.
        ros_now_s: the ROS time, s.
    """

    on_state: Callable[[ArmState, float], None]
    on_change: Callable[[State, State, str], None]
    log: Callable[[str, str], None]
    ros_now_s: Callable[[], float] = time.time
