"""The console node: a lifecycle shell between the ROS graph and the page's server."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.exceptions import ParameterException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

import kine_nodes
from kine_console import parameters
from kine_console.access import Access, read_token
from kine_console.camera_feed import CameraFeed
from kine_console.node_watch import NodeWatch
from kine_console.pictures import IMAGE_TYPES, encoder
from kine_console.robot_calls import RobotCalls
from kine_console.server import ConsoleServer, ServerSettings
from kine_console.state import ConsoleState
from kine_console.suggestions import trained_instructions
from kine_msgs.msg import BiLevelPlan, DriverState
from kine_nodes import (
    DIAGNOSTICS_BYTES,
    IMAGE_BYTES,
    SMALL_BYTES,
    ManagedNode,
    bounded_subscription,
    not_read,
)
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC, state_name
from kine_nodes.status import key_values
from kine_nodes.which_arm import ARM_STATUS, SIMULATOR, which_arm

CAMERAS = ("front", "wrist")


class ConsoleNode(ManagedNode):
    """`/kine_console`: topics in, a page out, and services called for who holds the token."""

    def __init__(self) -> None:
        super().__init__("kine_console", parameters.TABLE)
        self._server: ConsoleServer | None = None

    # --- lifecycle -------------------------------------------------------------------------------------
    def setup(self) -> None:
        """Read the token, open topics and clients; nothing is served yet."""
        self._state = ConsoleState()
        self._received: dict[str, int] = {}
        self._received_s = time.monotonic()
        self._arm_address = ""
        value = self.values
        transport = value["image_transport"]
        if transport not in IMAGE_TYPES:
            raise ValueError(f"image_transport is '{transport}', must be {' or '.join(IMAGE_TYPES)}")
        token_file = Path(value["token_file"]).expanduser()
        self._access = Access(read_token(token_file))
        self.get_logger().info(f"the control token is in {token_file}")
        encode = encoder(transport, value["jpeg_quality"])
        self._feeds = [CameraFeed(index, name, encode) for index, name in enumerate(CAMERAS)]
        self._calls = RobotCalls(self)
        self._watch = NodeWatch(self)
        self._subscribe(transport)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(0.5, self._look_at_services)
        self.create_timer(1.0, self._look_at_nodes)
        self.create_timer(1.0, self._publish_diagnostics)

    def _subscribe(self, transport: str) -> None:
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        suffix = "" if transport == "raw" else "/compressed"
        for feed in self._feeds:
            topic = self.values[f"{feed.name}_topic"] + suffix
            # As bytes: a picture that nobody looks at is not even unpacked.
            bounded_subscription(self, IMAGE_TYPES[transport], topic, feed.put, newest, IMAGE_BYTES, raw=True)
        joints = self.values["joint_state_topic"]
        bounded_subscription(self, JointState, joints, self._take_joints, newest, SMALL_BYTES)
        bounded_subscription(
            self, DriverState, DRIVER_STATE_TOPIC, self._take_driver, DRIVER_STATE_QOS, SMALL_BYTES
        )
        bounded_subscription(self, BiLevelPlan, "/kinevla/plan", self._take_plan, 10, SMALL_BYTES)
        bounded_subscription(
            self, DiagnosticArray, "/diagnostics", self._take_diagnostics, 50, DIAGNOSTICS_BYTES
        )

    def begin(self) -> None:
        """Serve the page."""
        value = self.values
        settings = ServerSettings(
            host=value["host"],
            port=value["port"],
            max_viewers=value["max_viewers"],
            state_rate_hz=value["state_rate_hz"],
            image_rate_hz=value["image_rate_hz"],
            instructions=trained_instructions(value["checkpoint"]),
        )
        server = ConsoleServer(settings, self._state, self._feeds, self._access, self._calls.execute)
        server.start()
        self._server = server
        self.get_logger().info(f"console at {server.url}")
        if not settings.local:
            self.get_logger().warning("the page and its token cross the network unencrypted")

    def close(self) -> None:
        """End the page; the robot goes on as it is."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    # --- inputs ----------------------------------------------------------------------------------------
    def _take_joints(self, message: JointState) -> None:
        self._state.take_joints(message.name, message.position)

    def _take_driver(self, message: DriverState) -> None:
        self._state.take_driver(state_name(message), message.reason, message.source)

    def _take_plan(self, message: BiLevelPlan) -> None:
        plan = {
            "instruction": message.instruction,
            "instruction_id": int(message.instruction_id),
            "chunk_id": int(message.chunk_id),
            "goal_reasoning": message.goal_reasoning,
            "kinematics_reasoning": message.kinematics_reasoning,
            "goal_codes": [int(code) for code in message.goal_codes],
            "kinematics_codes": [int(code) for code in message.kinematics_codes],
            "awaiting_approval": bool(message.awaiting_approval),
            "fresh": message.reasoning_state == BiLevelPlan.REASONING_FRESH,
            "tokens_reused": int(message.tokens_reused),
            "tokens_decoded": int(message.tokens_decoded),
        }
        latencies = {
            "vision": message.latency_vision_s,
            "generation": message.latency_generation_s,
            "decoder": message.latency_decoder_s,
            "total": message.latency_total_s,
            "age": message.observation_age_s,
            "chunk": message.actions * message.period_s,
        }
        self._state.take_plan(plan, latencies)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == ARM_STATUS:
                self._arm_address = status.hardware_id
            values = {pair.key: pair.value for pair in status.values}
            self._state.take_status(status.name, status.level[0], status.message, values)

    # --- looking around --------------------------------------------------------------------------------
    def _look_at_services(self) -> None:
        self._state.put("services", self._calls.available())

    def _look_at_nodes(self) -> None:
        nodes = self._watch.look()
        self._state.take_nodes(nodes)
        self._state.take_arm(which_arm(self._arm_address, SIMULATOR in nodes), self._arm_address)
        now_s = time.monotonic()
        before, then_s = self._received, self._received_s
        self._received, self._received_s = {feed.name: feed.received for feed in self._feeds}, now_s
        cameras = {
            feed.name: {
                "error": feed.error,
                "rate_hz": round((feed.received - before.get(feed.name, 0)) / max(0.1, now_s - then_s), 1),
            }
            for feed in self._feeds
        }
        self._state.put("cameras", cameras)

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name="kine_console: page", hardware_id="kine_console")
        server = self._server
        if server is None:
            status.level, status.message = DiagnosticStatus.WARN, "not active"
        else:
            status.level = DiagnosticStatus.OK
            status.message = (
                f"{server.viewers} {'viewer' if server.viewers == 1 else 'viewers'} at {server.url}"
            )
            traffic = server.traffic
            values: dict[str, Any] = {
                "viewers": server.viewers,
                "commands_done": server.desk.done["accepted"],
                "commands_refused": server.desk.done["refused"],
                "requests_without_right": traffic.refused,
                "wrong_tokens": self._access.wrong_tokens,
                "pictures_sent": traffic.pictures,
                "pictures_skipped_for_slow_viewers": traffic.pictures_skipped,
                "viewers_too_slow": traffic.too_slow,
                "viewers_that_sent_too_much": traffic.too_loud,
                "idle_connections_cut": server.connections_cut,
                **not_read(self),
            }
            status.values = key_values(values)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main() -> None:
    """Run the node until SIGINT or SIGTERM; exit code 1 when it cannot start or a part died, 2 for a bad
    parameter.
    """
    kine_nodes.init()
    node, code = None, 1
    try:
        node = ConsoleNode()
        if kine_nodes.autostart(node):
            code = kine_nodes.spin_until_signal(node, executor=EventsExecutor())
    except (ParameterException, ValueError) as error:
        print(f"kine_console: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 0
    if node is not None:
        node.end()
        node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(code)


if __name__ == "__main__":
    main()
