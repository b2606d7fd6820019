"""ROS node `/kine_relay`: chunks in, trajectories for ros2_control out; joint states the other way."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

import kine_nodes
from kine_msgs.msg import DriverState
from kine_nodes import SMALL_BYTES, ManagedNode, bounded_subscription, not_read
from kine_nodes.driver_watch import DRIVER_STATE_QOS
from kine_nodes.status import key_values
from kine_relay.parameters import TABLE, make_relay
from kine_relay.relay import NS_PER_S, Point, Refused


class RelayNode(ManagedNode):
    """The policy sees an RM75, the other arm's controllers see trajectories of their own joints."""

    def __init__(self) -> None:
        super().__init__("kine_relay", TABLE)

    def check(self) -> None:
        """Joints and bounds fit together."""
        make_relay(self.values)

    def setup(self) -> None:
        """Open the topics; nothing is passed on before `~/enable`."""
        value = self.values
        self._relay = make_relay(value)
        self._names = [*value["chunk_joints"], "gripper"]
        self._arm = self.create_publisher(JointTrajectory, value["controller_topic"], 5)
        self._gripper = self.create_publisher(JointTrajectory, value["gripper_topic"], 5)
        self._states = self.create_publisher(JointState, value["policy_state_topic"], 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._driver_states = self.create_publisher(
            DriverState, value["driver_state_topic"], DRIVER_STATE_QOS
        )
        take_state, take_chunk = self.while_active(self._take_state), self.while_active(self._take_chunk)
        for kind, topic, take, qos in (
            (JointState, value["state_topic"], take_state, qos_profile_sensor_data),
            (JointTrajectory, value["chunk_topic"], take_chunk, 5),
        ):
            bounded_subscription(self, kind, topic, take, qos, SMALL_BYTES)
        self.create_service(Trigger, "~/enable", self.answered_while_active(self._enable))
        self.create_service(Trigger, "~/stop", self.answered_while_active(self._stop))
        self.create_timer(0.5, self._publish_diagnostics)
        self.create_timer(0.1, self._publish_driver_state)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _take_state(self, message: JointState) -> None:
        state = self._relay.take_state(message.name, message.position, _ns(message.header.stamp))
        if state is None:
            self.get_logger().warning(
                f"joint state without {', '.join(j.theirs for j in self._relay.joints)} and the gripper",
                throttle_duration_sec=2.0,
            )
            return
        translated = JointState(name=self._names, position=state)
        translated.header.stamp = message.header.stamp
        self._states.publish(translated)

    def _take_chunk(self, message: JointTrajectory) -> None:
        points = [(_ns(p.time_from_start) / NS_PER_S, list(p.positions)) for p in message.points]
        try:
            passed = self._relay.take_chunk(
                message.joint_names,
                points,
                _ns(message.header.stamp),
                self._now_ns(),
                message.header.frame_id,
            )
        except Refused as refusal:
            self.get_logger().warning(f"chunk refused: {refusal}", throttle_duration_sec=1.0)
            return
        self._send(passed)

    def _send(self, points: list[Point]) -> None:
        # No stamp: the controllers start at once. A stamp would be their start time: with the observation's,
        # which is past, they would begin in the middle of the trajectory and jump there.
        arm = JointTrajectory(joint_names=[joint.theirs for joint in self._relay.joints])
        gripper = JointTrajectory(joint_names=[self._relay.gripper.theirs])
        for point in points:
            arm.points.append(_point(point.time_s, list(point.arm)))
            if point.gripper is not None:
                gripper.points.append(_point(point.time_s, [point.gripper]))
        self._arm.publish(arm)
        if gripper.points:
            self._gripper.publish(gripper)

    def _enable(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._relay.enable(self._now_ns())
        except Refused as refusal:
            response.message = str(refusal)
            return response
        response.success, response.message = True, "chunks are passed on"
        self._publish_driver_state()
        return response

    def _stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        hold = self._relay.stop("stopped by the user", self._now_ns())
        if hold is not None:
            self._send([hold])
        self._publish_driver_state()
        response.success = hold is not None
        response.message = "the arm holds" if hold else "chunks end here, but where the arm is is not known"
        return response

    def close(self) -> None:
        """Hold where the arm is."""
        if self._relay.enabled:
            hold = self._relay.stop("the relay ended", self._now_ns())
            if hold is not None:
                self._send([hold])
            self._publish_driver_state()

    def _publish_driver_state(self) -> None:
        """As the driver does in whose place the relay stands."""
        relay, now_ns = self._relay, self._now_ns()
        message = DriverState(
            state=DriverState.ENABLED if relay.enabled else DriverState.CONNECTED,
            reason="" if relay.enabled else f"the relay is stopped: {relay.stop_reason}",
            epoch=relay.right.epoch,
            source=relay.right.source(now_ns / NS_PER_S),
            chunks_accepted=relay.passed,
            chunks_refused=sum(relay.refusals.values()),
            last_refused=relay.last_refused,
            last_refusal=relay.last_refusal,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._driver_states.publish(message)

    def _publish_diagnostics(self) -> None:
        relay = self._relay
        status = DiagnosticStatus(name="kine_relay: relay", hardware_id="kine_relay")
        status.level = DiagnosticStatus.OK if relay.enabled else DiagnosticStatus.WARN
        status.message = "enabled" if relay.enabled else f"stopped: {relay.stop_reason}"
        values = {"passed": relay.passed, "refused": sum(relay.refusals.values())}
        values |= {f"refused.{rule}": count for rule, count in sorted(relay.refusals.items())}
        status.values = key_values({**values, **not_read(self), "last_refusal": relay.last_refusal})
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _ns(stamp: object) -> int:
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)  # type: ignore[attr-defined]


def _point(time_s: float, positions: list[float]) -> JointTrajectoryPoint:
    point = JointTrajectoryPoint(positions=positions)
    total_ns = round(time_s * NS_PER_S)
    point.time_from_start.sec, point.time_from_start.nanosec = divmod(total_ns, NS_PER_S)
    return point


def main() -> None:
    """Run the relay until SIGINT or SIGTERM; it ends with the arm holding."""
    kine_nodes.run("relay_node", RelayNode)


if __name__ == "__main__":
    main()
