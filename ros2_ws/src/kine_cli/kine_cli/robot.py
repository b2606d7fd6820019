"""The robot as the command line sees it: a short-lived ROS node that calls, listens and publishes."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any, Self

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Bool

from kine_msgs.msg import DriverState
from kine_nodes import DIAGNOSTICS_BYTES, SMALL_BYTES, bounded_subscription
from kine_nodes.bounded import BoundedExecutor
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC

DEADMAN_TOPIC = "/kine_teleop/deadman"


class NotThere(RuntimeError):
    """Nobody offers the service, or it does not answer; the text says what was waited for."""


class Robot:
    """Joins the ROS graph for the time of one command.

    Attributes:
        driver: what the driver said last, None before.
        statuses: newest status of `/diagnostics` by name.
    """

    def __init__(self) -> None:
        self._context = rclpy.Context()
        # Ctrl-C ends the command, not the context beneath a call that is under way.
        rclpy.init(context=self._context, args=[], signal_handler_options=SignalHandlerOptions.NO)
        # A leading underscore hides a node from lists of the robot's own.
        self.node = Node(f"_kine_cli_{os.getpid()}", context=self._context, enable_rosout=False)
        self._executor = BoundedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.driver: DriverState | None = None
        self.statuses: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def call(self, service: str, kind: Any, request: Any, wait_s: float, answer_s: float) -> Any:
        """Call a service.

        Args:
            service, kind, request: what is asked of whom.
            wait_s: how long the service may take to appear.
            answer_s: how long it may take to answer.

        Raises:
            NotThere: it did not appear, or did not answer.
        """
        client: Any = self.node.create_client(kind, service)
        if not client.wait_for_service(timeout_sec=wait_s):
            raise NotThere(
                f"nobody offers {service} (waited {wait_s:g} s in ROS domain {domain()}): "
                "is the stack running, in this domain?"
            )
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=answer_s)
        if not future.done():
            raise NotThere(f"{service} has not answered for {answer_s:g} s")
        return future.result()

    def listen(self, for_s: float) -> None:
        """Fill `driver` and `statuses` with what is published meanwhile."""
        bounded_subscription(
            self.node, DriverState, DRIVER_STATE_TOPIC, self._take_driver, DRIVER_STATE_QOS, SMALL_BYTES
        )
        bounded_subscription(
            self.node, DiagnosticArray, "/diagnostics", self._take_statuses, 50, DIAGNOSTICS_BYTES
        )
        end_s = time.monotonic() + for_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)

    def hold_deadman(self, rate_hz: float) -> None:
        """Hold the deadman of the teleoperation until KeyboardInterrupt, then let it go."""
        publisher = self.node.create_publisher(Bool, DEADMAN_TOPIC, 10)
        try:
            while True:
                publisher.publish(Bool(data=True))
                time.sleep(1.0 / rate_hz)
        finally:
            publisher.publish(Bool(data=False))
            time.sleep(0.2)  # the last word must get out before the node is gone

    def _take_driver(self, message: DriverState) -> None:
        self.driver = message

    def _take_statuses(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.statuses[status.name] = status


def domain() -> str:
    """The ROS domain this command looks in."""
    return os.environ.get("ROS_DOMAIN_ID") or "0"
