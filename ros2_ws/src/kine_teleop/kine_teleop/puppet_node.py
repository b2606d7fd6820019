"""The puppet: copies a leader arm to the follower's driver. All decisions are in `puppet.session`."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

import kine_nodes
from kine_msgs.msg import DriverState
from kine_nodes import SMALL_BYTES, ManagedNode, bounded_subscription, not_read
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC, DriverWatch
from kine_nodes.motion_right import tagged
from kine_nodes.status import key_values
from kine_nodes.texts import printable
from kine_teleop.parameters import PUPPET
from kine_teleop.puppet.drift import DriftBounds
from kine_teleop.puppet.limits import FollowLimits
from kine_teleop.puppet.mapping import JointMapping, LeaderError, Pose
from kine_teleop.puppet.session import MOVING, Answer, Session, SessionConfig, State
from realman_driver.arm_model import AXIS_NAMES

SOURCE = "kine_teleop"
STATUS_NAME = "kine_teleop: puppet"
SOURCES_PERIOD_S = 0.2
NEWEST = QoSProfile(depth=1)


def session_config(value: dict[str, Any]) -> SessionConfig:
    """The session's configuration as the parameters say."""
    return SessionConfig(
        deadman_timeout_s=value["deadman_timeout_s"],
        leader_timeout_s=value["leader_timeout_s"],
        follower_timeout_s=value["follower_timeout_s"],
        align_tolerance_rad=value["align_tolerance_rad"],
        align_by_moving=value["align_by_moving"],
        align_speed_rad_s=value["align_speed_rad_s"],
        max_align_rad=value["max_align_rad"],
        align_timeout_s=value["align_timeout_s"],
        max_follow_error_rad=value["max_follow_error_rad"],
        follow_error_s=value["follow_error_s"],
        require_drift_check=value["require_drift_check"],
        drift_valid_s=value["drift_valid_s"],
        limits=FollowLimits(value["joint_margin_rad"], value["max_speed_rad_s"], value["max_step_rad"]),
        drift=DriftBounds(
            joint_rad=value["drift_joint_rad"], tool_m=value["drift_tool_m"], poses=value["drift_poses"]
        ),
    )


def joint_mapping(value: dict[str, Any]) -> JointMapping:
    """The mapping as the parameters say.

    Raises:
        ValueError: a value is not allowed; names it.
    """
    return JointMapping(
        leader_joints=tuple(value["leader_joints"]),
        sign=tuple(value["sign"]),
        scale=tuple(value["scale"]),
        offset_rad=tuple(value["offset_rad"]),
        leader_gripper=value["leader_gripper"],
        gripper_closed=value["gripper_closed"],
        gripper_open=value["gripper_open"],
        gripper_slack=value["gripper_slack"],
    )


class PuppetNode(ManagedNode):
    """`/kine_teleop`: leader in, chunks for the driver out."""

    def __init__(self) -> None:
        super().__init__("kine_teleop", PUPPET)

    def check(self) -> None:
        """Mapping and bounds fit together."""
        joint_mapping(self.values)
        session_config(self.values)

    def setup(self) -> None:
        """Open the topics, with a session that nobody has started."""
        value = self.values
        self._mapping = joint_mapping(value)
        self._session = Session(session_config(value))
        self._driver = DriverWatch(SOURCE)
        self._horizon_s: float = value["horizon_s"]
        self._disable_on_stop: bool = value["disable_on_stop"]
        self._last_state = self._session.state
        self._leader_stamp_ns = 0
        self._leader_time = self.get_clock().now()
        self._sources_s = 0.0
        self._sent = 0
        self._leader_messages = 0
        self._chunks = self.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
        self._targets = self.create_publisher(JointState, "~/target", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        for type_, topic, take, depth in (
            (JointState, "/leader/joint_states", self._on_leader, 10),
            (JointState, "/joint_states", self._on_follower, NEWEST),
            (Bool, "~/deadman", self._on_deadman, 10),
            (DriverState, DRIVER_STATE_TOPIC, self._on_driver_state, DRIVER_STATE_QOS),
        ):
            bounded_subscription(self, type_, topic, self.while_active(take), depth, SMALL_BYTES)
        self._disable: Any = self.create_client(Trigger, "/realman_driver/disable")
        for name, serve in (
            ("start", self._on_start),
            ("stop", self._on_stop),
            ("check_drift", self._on_check_drift),
        ):
            self.create_service(Trigger, f"~/{name}", self.answered_while_active(serve))
        self.create_timer(1.0 / value["rate_hz"], self.while_active(self._tick))
        self.create_timer(0.5, self._publish_diagnostics)

    # --- what comes in --------------------------------------------------------------------------------------

    def _on_leader(self, message: JointState) -> None:
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        if stamp_ns and stamp_ns <= self._leader_stamp_ns:
            return  # an old measurement sent again is no sign of life
        self._leader_stamp_ns = stamp_ns
        self._leader_messages += 1
        try:
            pose = self._mapping.to_follower(message.name, message.position, self._session.opening)
        except LeaderError as error:
            self._session.leader_fault(str(error))
        else:
            self._leader_time = self.get_clock().now()
            self._session.leader(pose, time.monotonic())
        self._look_at_state()

    def _on_follower(self, message: JointState) -> None:
        if tuple(message.name) == AXIS_NAMES and len(message.position) == len(AXIS_NAMES):
            self._session.follower(tuple(message.position), time.monotonic())

    def _on_deadman(self, message: Bool) -> None:
        self._session.deadman(bool(message.data), time.monotonic())
        self._look_at_state()

    def _on_driver_state(self, message: DriverState) -> None:
        self._driver.take(message, time.monotonic())
        self._tell_driver()

    def _tell_driver(self) -> None:
        self._session.driver(self._driver.obstacle(time.monotonic()), self._driver.epoch)
        self._look_at_state()

    def _look_for_other_sources(self) -> None:
        self._sources_s = time.monotonic()
        names = [info.node_name for info in self.get_publishers_info_by_topic(self._chunks.topic_name)]
        if self.get_name() in names:
            names.remove(self.get_name())  # this one; a second puppet of the same name stays in the list
        self._session.other_sources(tuple(names))
        self._look_at_state()

    # --- services -------------------------------------------------------------------------------------------

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._look_for_other_sources()
        return self._answer(self._session.start(time.monotonic()), response)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        answer = self._session.stop()
        # Asked for: the arm holds its last target and stays enabled.
        self._look_at_state(asked_for=True)
        return self._answer(answer, response)

    def _on_check_drift(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(self._session.check_drift(time.monotonic()), response)

    def _answer(self, answer: Answer, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = answer.ok, printable(answer.text)
        self._look_at_state()
        return response

    # --- what goes out --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s - self._sources_s >= SOURCES_PERIOD_S:
            self._look_for_other_sources()
        self._tell_driver()
        target = self._session.tick(now_s)
        self._look_at_state()
        if target is not None:
            self._send(target)

    def _send(self, target: Pose) -> None:
        positions = [float(value) for value in target]
        # One point that the next chunk replaces: should this node die, the arm rests within the horizon.
        point = JointTrajectoryPoint(positions=positions)
        point.time_from_start.nanosec = round(self._horizon_s * 1e9)
        chunk = JointTrajectory(joint_names=list(AXIS_NAMES), points=[point])
        chunk.header.stamp = self._leader_time.to_msg()
        chunk.header.frame_id = tagged(SOURCE, self._session.epoch)
        self._chunks.publish(chunk)
        self._sent += 1
        message = JointState(name=list(AXIS_NAMES), position=positions)
        message.header.stamp = self.get_clock().now().to_msg()
        self._targets.publish(message)

    def _look_at_state(self, asked_for: bool = False) -> None:
        """Act on a change of the session's state: disable the driver after a stop, and tell people."""
        state = self._session.state
        if state is self._last_state:
            return
        was, self._last_state = self._last_state, state
        if state is State.STOPPED and was in MOVING:
            if self._disable_on_stop and not asked_for:
                # Not waited for: the driver's answer comes when the arm has stopped.
                self._disable.call_async(Trigger.Request())
            self.get_logger().warning(f"stopped: {printable(self._session.reason)}")
        else:
            self.get_logger().info(f"{was.value} -> {state.value}")
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        session = self._session
        stopped = session.state is State.STOPPED
        values = {
            "state": session.state.value,
            "reason": session.reason,
            "stops": session.stops,
            "targets_sent": self._sent,
            "leader_messages": self._leader_messages,
            "drift_check_valid": str(session.drift_fresh(time.monotonic())).lower(),
            "drift_check": session.drift_report.text() if session.drift_report else "none yet",
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if stopped else DiagnosticStatus.OK,
            name=STATUS_NAME,
            message=printable(f"stopped: {session.reason}") if stopped else session.state.value,
            values=key_values(values | not_read(self)),
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def close(self) -> None:
        """End a running session and have the driver disabled, before the node goes away."""
        if self._session.state in MOVING:
            self._session.stop()
            self._look_at_state()
            time.sleep(0.05)  # the request leaves before the context ends


def main() -> None:
    """Run the puppet until SIGINT or SIGTERM; exit code 2 when a parameter is not allowed."""
    kine_nodes.run("puppet_node", PuppetNode)


if __name__ == "__main__":
    main()
