"""What a user at the keyboard sees of the running stack, through ROS alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from kine_msgs.msg import BiLevelPlan, DriverState
from kine_msgs.srv import Instruct
from kine_nodes import DIAGNOSTICS_BYTES, IMAGE_BYTES, SMALL_BYTES, bounded_subscription
from kine_nodes.bounded import BoundedExecutor
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC, not_enabled
from kine_nodes.image_conversion import image_to_rgb
from kinevla_policy.handshake import Handshake
from kinevla_policy.loop_types import CANNOT_SEE

T = TypeVar("T")


class StackError(RuntimeError):
    """The stack did not do what was asked of it; the text says what and for how long was waited."""


class DemoClient:
    """Calls the services and keeps what the topics say. Runs its own executor thread.

    Args:
        name: of its node.
        stack_id: of the stack that it may enable and instruct; empty: whichever is there.
    """

    def __init__(self, name: str = "kinevla_demo", stack_id: str = "") -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = Node(name, context=self._context)
        self.plans: list[BiLevelPlan] = []
        self.chunks: list[JointTrajectory] = []
        self.joint_states: list[tuple[int, NDArray[np.float64]]] = []
        self.images: dict[str, NDArray[np.uint8]] = {}
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.driver_states: list[DriverState] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        for camera in ("front", "wrist"):
            topic = f"/{camera}/color/image_raw"
            self._listen(Image, topic, lambda m, c=camera: self._take_image(c, m), newest, IMAGE_BYTES)
        self._listen(BiLevelPlan, "/kinevla/plan", self.plans.append, 20)
        self._listen(JointTrajectory, "/realman_driver/joint_trajectory", self.chunks.append, 20)
        self._listen(JointState, "/joint_states", self._take_state, 50)
        self._listen(DiagnosticArray, "/diagnostics", self._take_diagnostics, 50, DIAGNOSTICS_BYTES)
        self._listen(DriverState, DRIVER_STATE_TOPIC, self._take_driver_state, DRIVER_STATE_QOS)
        self._handshake = Handshake(self.node, stack_id) if stack_id else None
        self._executor = BoundedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="demo-client", daemon=True)
        self._thread.start()

    def _listen(self, kind: type, topic: str, take: Any, qos: Any, max_bytes: int = SMALL_BYTES) -> None:
        bounded_subscription(self.node, kind, topic, take, qos, max_bytes)

    def _spin(self) -> None:
        # Not `spin`: what ends it from another thread may free what it is just using.
        while not self._closing.is_set():
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except InvalidHandle:
                continue  # another thread has just given back a client that was being looked at
            except ExternalShutdownException:
                return

    def _take_image(self, camera: str, message: Image) -> None:
        self.images[camera] = image_to_rgb(message)

    def _take_state(self, message: JointState) -> None:
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        self.joint_states.append((stamp_ns, np.array(message.position)))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                values = {pair.key: pair.value for pair in status.values}
                self.diagnostics[status.name] = {"message": status.message, **values}

    def _take_driver_state(self, message: DriverState) -> None:
        """Keeps each change, not each repetition."""
        last = self.driver_state
        what = (message.state, message.epoch, message.source, message.reason)
        if last is not None and what == (last.state, last.epoch, last.source, last.reason):
            self.driver_states[-1] = message
        else:
            self.driver_states.append(message)

    @property
    def driver_state(self) -> DriverState | None:
        """What the driver said last; None before the first word."""
        return self.driver_states[-1] if self.driver_states else None

    def diagnostic(self, name: str) -> dict[str, str]:
        """Newest values of one diagnostic status, with its text as `message`; empty before the first."""
        with self._lock:
            return dict(self.diagnostics.get(name, {}))

    def call(self, service: str, kind: Any, request: Any, timeout_s: float = 30.0) -> Any:
        """Call a service and wait for its answer.

        Raises:
            StackError: no server, or no answer, within `timeout_s`; or it is another stack's.
        """
        obstacle = self._handshake.obstacle(service, timeout_s) if self._handshake else ""
        if obstacle:
            raise StackError(obstacle)
        client: Any = self.node.create_client(kind, service)
        try:
            if not client.wait_for_service(timeout_sec=timeout_s):
                raise StackError(f"service {service} did not appear within {timeout_s:.0f} s")
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            if not done.wait(timeout_s):
                raise StackError(f"service {service} did not answer within {timeout_s:.0f} s")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def trigger(self, service: str, timeout_s: float = 30.0) -> Trigger.Response:
        """Call a `std_srvs/Trigger` service."""
        return self.call(service, Trigger, Trigger.Request(), timeout_s)

    def instruct(self, text: str, patience_s: float = 0.0) -> Instruct.Response:
        """Give an instruction in words.

        Args:
            text: the sentence.
            patience_s: how long it is given again where the policy only lacks a look at the table: a busy
                machine delivers images and joint states late.
        """
        deadline_s = time.monotonic() + patience_s
        while True:
            answer = self.call("/kinevla/instruct", Instruct, Instruct.Request(instruction=text))
            if answer.accepted or CANNOT_SEE not in answer.message or time.monotonic() > deadline_s:
                return answer
            time.sleep(0.2)

    def verdict(self) -> dict[str, Any]:
        """What the simulator's judge says now."""
        return dict(json.loads(self.trigger("/kine_sim/judge").message))

    def enable(self, timeout_s: float = 30.0) -> None:
        """Enable the arm, waiting for the driver to find its controller.

        Raises:
            StackError: still refused after `timeout_s`, with the driver's reason.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            answer = self.trigger("/realman_driver/enable", timeout_s)
            if answer.success and not not_enabled(self.driver_state):  # the news may be behind the answer
                return
            if time.monotonic() > deadline_s:
                raise StackError(f"the driver does not enable the arm: {answer.message}")
            time.sleep(0.3)

    def wait_for(self, what: str, ready: Callable[[], T], timeout_s: float, alive: Callable[[], bool]) -> T:
        """Wait until `ready` gives something true.

        Raises:
            StackError: the time is up, `alive` says that the stack has ended, or this client's thread died.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            result = ready()
            if result:
                return result
            if not alive():
                raise StackError(f"the stack ended while waiting for {what}")
            if not self._thread.is_alive():
                raise StackError(f"the thread that listens to ROS died while waiting for {what}")
            if time.monotonic() > deadline_s:
                raise StackError(f"{what} did not happen within {timeout_s:.0f} s")
            time.sleep(0.02)

    def close(self) -> None:
        """Leave the ROS graph."""
        self._closing.set()
        self._thread.join(timeout=10.0)
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
