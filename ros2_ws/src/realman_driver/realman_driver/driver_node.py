"""The ROS shell of the driver: parameters, two subscriptions, five services, two publications.

A lifecycle node: `configure` reads the parameters and opens the topics, `activate` connects in the background
and enables nothing, `deactivate` stops the arm and closes the link. All that waits for the controller happens
in the driver's own threads; the services are coroutines that await their answers: the executor never waits.
"""

from __future__ import annotations

import gc
import importlib.util
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future as WorkFuture
from contextlib import suppress
from typing import Any, NoReturn

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.qos import QoSProfile
from rclpy.task import Future as RosFuture
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

import kine_nodes
from kine_msgs.msg import DriverState
from kine_nodes import ManagedNode
from kine_nodes.driver_watch import DRIVER_STATE_QOS
from kine_nodes.texts import printable

from . import black_box_plans, messages, parameters
from .arm_interface import Arm, LinkSettings
from .black_box import Topic
from .config import DriverConfig
from .diagnostics import build_report
from .driver import Driver
from .gate import Refusal
from .hooks import DriverHooks
from .isolated_arm import IsolatedArm
from .realtime import raise_priority
from .state import ArmState
from .supervisor import Decision, State

NODE_NAME = "realman_driver"
STATE_QOS = QoSProfile(depth=10)
CHUNK_QOS = QoSProfile(depth=5)
REFUSAL_LOG_PERIOD_S = 1.0
# After a refused chunk the next one waits: a flood of them leaves time for all else the driver does.
REFUSAL_PAUSE_S = 0.002
MAX_LOG_TEXT = 1000
# Between two messages of the driver's state without a change: who listens takes silence for a dead driver.
STATE_PERIOD_S = 0.1


def max_chunk_bytes(max_points: int) -> int:
    """Bound for a chunk's message: names, and points with twice the values a point can have."""
    return 4096 + 512 * max_points


class DriverNode(ManagedNode):
    """The node `realman_driver`."""

    _stop_lane: kine_nodes.StopLane | None = None  # until it is made: a bad parameter ends the node before

    def __init__(self) -> None:
        super().__init__(NODE_NAME, parameters.TABLE)
        self._driver: Driver | None = None
        self._config: DriverConfig | None = None
        self._publishing = False
        self._stuck = False
        # In every state of the lifecycle there is somebody to hear a stop.
        self._stop_lane = kine_nodes.StopLane(self)
        for name in ("estop", "disable"):
            self._stop_lane.serve(Trigger, f"~/{name}", self._service(name, self._stop_lane.result_of))

    # --- lifecycle --------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Make the driver and open topics and services; nothing is connected yet."""
        self._config = parameters.read(self.values)
        self._driver = Driver(self._config, self._make_arm(self._config), self._hooks())
        self._refusal_logged_s: dict[str, float] = {}
        group = ReentrantCallbackGroup()
        self._joint_states = self.create_lifecycle_publisher(JointState, "/joint_states", STATE_QOS)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", STATE_QOS)
        self._states = self.create_publisher(DriverState, "~/state", DRIVER_STATE_QOS)
        self._states_lock = threading.Lock()  # what is published last is what was true last
        chunks = kine_nodes.bounded_subscription(
            self,
            JointTrajectory,
            "~/joint_trajectory",
            self._on_chunk,
            CHUNK_QOS,
            max_chunk_bytes(self._config.max_chunk_points),
            on_refused=self._on_oversized_chunk,
            callback_group=group,
        )
        self._chunk_intake = kine_nodes.intake_of(chunks)
        hindrance = black_box_plans.listen(self, self._on_plan, group)
        if hindrance:
            self.get_logger().info(hindrance)
        for name in ("enable", "reset", "home"):
            serve = self._service(name, self._awaitable)
            self.create_service(Trigger, f"~/{name}", serve, callback_group=group)
        self._report_now = self.create_guard_condition(self._publish_diagnostics, callback_group=group)
        # On the steady clock: one that is set back would keep the diagnostics silent until it has caught up.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period_s, publish in (
            (self._config.diagnostics_period_s, self._publish_diagnostics),
            (STATE_PERIOD_S, self._publish_state),
        ):
            self.create_timer(period_s, publish, callback_group=group, clock=steady)

    def begin(self) -> None:
        """Start connecting; the diagnostics say when the arm is there. It stays disabled."""
        assert self._driver is not None
        self._publishing = True
        self._driver.start()

    def close(self) -> bool:
        """Stop the arm and close the link; False when a thread is stuck in the SDK. Safe to call twice."""
        if self._publishing and self._driver is not None:
            self._publishing = False
            self._stuck = not self._driver.close()
            self._publish_state()
        return not self._stuck

    def forget(self) -> None:
        """Let the driver go."""
        self._driver = self._config = None

    def destroy_node(self) -> None:
        """End the stop's own services too."""
        if self._stop_lane is not None:
            self._stop_lane.close()
        super().destroy_node()

    def _make_arm(self, config: DriverConfig) -> Arm:
        if importlib.util.find_spec("Robotic_Arm") is None:
            raise ImportError("the vendor's SDK is not installed: pip install Robotic_Arm==1.1.6")
        settings = LinkSettings(
            robot_ip=config.robot_ip,
            robot_port=config.robot_port,
            udp_host_ip=config.udp_host_ip,
            udp_port=config.udp_port,
            udp_period_ms=config.udp_period_ms,
            connect_timeout_s=config.connect_timeout_s,
        )
        return IsolatedArm(settings, lambda: int(self.get_clock().now().nanoseconds), self._on_arm_death)

    def _on_arm_death(self, reason: str) -> None:
        """Thread of the arm: the process that holds the SDK has ended by itself."""
        self._log("error", reason)
        if self._driver is not None:
            self._driver.arm_died(reason)

    # --- what goes out ------------------------------------------------------------------------------------

    def _hooks(self) -> DriverHooks:
        return DriverHooks(
            on_state=self._on_state, on_change=self._on_change, log=self._log, ros_now_s=self._ros_now_s
        )

    def _ros_now_s(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _on_state(self, state: ArmState, gripper_opening: float) -> None:
        """Thread of the datagrams: publishes at once, so the stamp is as fresh as the message."""
        if self._publishing:
            with suppress(Exception):  # the context may end at any moment; the SDK's thread must not see it
                self._joint_states.publish(messages.to_joint_state(state, gripper_opening))

    def _on_change(self, before: State, after: State, reason: str) -> None:
        """Any thread: tells the state at once, and wakes the executor, which publishes the diagnostics."""
        self._publish_state()
        bad = after in (State.LOST, State.STOPPED)
        self._log("error" if bad else "info", f"{before.value} -> {after.value}: {reason}")
        with suppress(Exception):
            self._report_now.trigger()

    def _log(self, level: str, text: str) -> None:
        # rclpy ties a severity to the line of the call: one line each.
        logger, text = self.get_logger(), printable(text, MAX_LOG_TEXT)
        if level == "error":
            logger.error(text)
        elif level == "warning":
            logger.warning(text)
        else:
            logger.info(text)

    def _publish_state(self) -> None:
        """Any thread."""
        driver = self._driver
        if driver is None:
            return
        now_ns = self.get_clock().now().nanoseconds
        with suppress(Exception), self._states_lock:  # the context may end at any moment
            self._states.publish(messages.to_driver_state(driver, time.monotonic(), now_ns))

    def _publish_diagnostics(self) -> None:
        driver, config = self._driver, self._config
        if driver is None or config is None:
            return
        driver.chunk_sources = self.count_publishers("~/joint_trajectory")
        report = build_report(driver, time.monotonic())
        report.values.update(kine_nodes.not_read(self))
        now_ns = self.get_clock().now().nanoseconds
        hardware_id = f"{config.robot_ip}:{config.robot_port}"
        self._diagnostics.publish(messages.to_diagnostics(report, f"{NODE_NAME}: arm", hardware_id, now_ns))

    # --- what comes in --------------------------------------------------------------------------------------

    def _on_chunk(self, message: JointTrajectory) -> None:
        driver = self._driver
        if driver is None:
            self.get_logger().warning("a chunk was refused: the driver is not configured")
            return
        mover = driver.mover
        refusal = driver.submit_chunk(messages.to_chunk(message), self._ros_now_s())
        if driver.mover != mover:
            self._publish_state()
        if refusal is not None:
            self._log_refusal(refusal)
            time.sleep(REFUSAL_PAUSE_S)

    def _on_oversized_chunk(self, size: int) -> None:
        if self._driver is not None:
            bound = self._chunk_intake.max_bytes
            self._log_refusal(self._driver.chunks.refuse_size(size, bound))

    def _on_plan(self, topic: Topic, data: bytes) -> None:
        if self._driver is not None:
            self._driver.black_box.message(topic, data)

    def _log_refusal(self, refusal: Refusal) -> None:
        """At most one line per rule and second; the diagnostics count them all."""
        now_s = time.monotonic()
        if now_s - self._refusal_logged_s.get(refusal.rule, -math.inf) >= REFUSAL_LOG_PERIOD_S:
            self._refusal_logged_s[refusal.rule] = now_s
            self.get_logger().warning(f"a chunk was refused ({refusal.rule}): {refusal.text}")

    def _service(
        self, name: str, awaitable: Callable[[WorkFuture[Decision]], RosFuture[Decision]]
    ) -> Callable[..., Any]:
        async def serve(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            driver = self._driver
            if driver is None or not self._publishing:
                response.success, response.message = False, "the driver is not active"
                return response
            answer = getattr(driver, name)()
            decision = answer if isinstance(answer, Decision) else await awaitable(answer)
            assert decision is not None  # the future below always carries one
            response.success, response.message = decision.ok, printable(decision.text, MAX_LOG_TEXT)
            self._log("info" if decision.ok else "warning", f"{name}: {decision.text}")
            self._publish_state()
            with suppress(Exception):  # the context may end at any moment
                self._report_now.trigger()
            return response

        return serve

    def _awaitable(self, work: WorkFuture[Decision]) -> RosFuture[Decision]:
        """A future the executor can await, completed by another thread, which wakes the executor."""
        executor = self.executor
        ros_future: RosFuture[Decision] = RosFuture(executor=executor)

        def done(finished: WorkFuture[Decision]) -> None:
            error = finished.exception()
            ros_future.set_result(Decision(False, str(error)) if error is not None else finished.result())
            with suppress(Exception):
                self._report_now.trigger()

        work.add_done_callback(done)
        return ros_future


def main(args: list[str] | None = None) -> NoReturn:
    """Run the node until SIGINT or SIGTERM, then end the process: 0, or 1 when it could not start.

    The process ends without the interpreter's own clean-up, so that a thread that still waits in the
    middleware cannot hold it up.
    """
    kine_nodes.init(args)
    code = _run()
    # Whatever the node still holds goes now, so that others see at once that it is gone from the ROS graph.
    gc.collect()
    rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> int:
    try:
        node = DriverNode()
        # Before any thread of the driver is made: each inherits it.
        hindrance = raise_priority(node.values["realtime_priority"])
        if hindrance:
            node.get_logger().info(hindrance)
    except (ParameterException, ValueError) as error:
        print(f"{NODE_NAME}: {error}", file=sys.stderr)
        return 1
    code = 1
    try:
        if kine_nodes.autostart(node):
            code = kine_nodes.spin_until_signal(node)
    except KeyboardInterrupt:  # while it was still starting
        code = 0
    finally:
        if not node.close():
            print(f"{NODE_NAME}: a call is stuck in the SDK and left behind", file=sys.stderr)
        with suppress(Exception):
            node.destroy_node()
    return code


if __name__ == "__main__":
    main()
