"""Whoever starts a stack marks it with a random id; nothing else is enabled or instructed.

The id is the parameter `stack_id` of driver and policy: the driver tells it in its state, the policy in its
diagnostics. A stack that somebody else started in the same ROS domain has another one, or none.
"""

from __future__ import annotations

import secrets
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from kine_msgs.msg import DriverState
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC
from kinevla_policy.policy_diagnostics import NAME, STACK_ID

# What may set an arm in motion, and who must be known before it is called.
GUARDED = {
    "/realman_driver/reset": ("driver",),
    "/realman_driver/enable": ("driver",),
    "/realman_driver/home": ("driver",),
    "/kine_teleop/start": ("driver",),
    "/kinevla/instruct": ("driver", "policy"),
    "/kinevla/approve": ("driver", "policy"),
}
POLL_S = 0.05


def new_stack_id() -> str:
    """A random id for a stack that is about to be started."""
    return secrets.token_hex(8)


class Handshake:
    """Remembers which driver and policy are heard.

    Args:
        node: hears them.
        stack_id: of the stack that this program started.
    """

    def __init__(self, node: Node, stack_id: str) -> None:
        self._node, self._stack_id = node, stack_id
        self._lock = threading.Lock()
        self._heard: dict[str, set[str]] = {"driver": set(), "policy": set()}
        node.create_subscription(DriverState, DRIVER_STATE_TOPIC, self._take_state, DRIVER_STATE_QOS)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, 50)

    def _take_state(self, message: DriverState) -> None:
        with self._lock:
            self._heard["driver"].add(message.stack_id)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        ids = [
            {pair.key: pair.value for pair in status.values}.get(STACK_ID, "")
            for status in message.status
            if status.name == NAME
        ]
        with self._lock:
            self._heard["policy"].update(ids)

    def obstacle(self, service: str, timeout_s: float) -> str:
        """Why a service must not be called, in one sentence; empty when it may.

        Waits up to `timeout_s` until driver and policy, as far as the service is about them, are heard.
        """
        deadline_s = time.monotonic() + timeout_s
        for part in GUARDED.get(service, ()):
            while not (heard := self._heard_of(part)) and time.monotonic() < deadline_s:
                time.sleep(POLL_S)
            strangers = heard - {self._stack_id}
            if strangers or not heard:
                found = f"it says stack_id '{min(strangers)[:40]}'" if strangers else "it says nothing"
                return (
                    f"{service} is not called: the {part} in this ROS domain was not started here "
                    f"({found}, ours is '{self._stack_id}')"
                )
        servers = self._node.count_services(service) if service in GUARDED else 1
        if servers > 1:
            return f"{service} is not called: {servers} nodes serve it, one was started here"
        return ""

    def _heard_of(self, part: str) -> set[str]:
        with self._lock:
            return set(self._heard[part])
