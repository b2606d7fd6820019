"""A second RM75 in drag teach as leader: publishes its joints on /leader/joint_states."""

from __future__ import annotations

import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import JointState

import kine_nodes
from kine_nodes import ManagedNode
from kine_nodes.texts import printable
from kine_teleop.parameters import RM75_LEADER
from kine_teleop.puppet.rm75_leader import Rm75Leader
from realman_driver import sdk_output
from realman_driver.arm_model import AXIS_NAMES
from realman_driver.sdk_arm import LinkSettings, RealmanArm


class Rm75LeaderNode(ManagedNode):
    """`/rm75_leader`: drag teach is on while this node is active and the controller answers."""

    def __init__(self) -> None:
        super().__init__("rm75_leader", RM75_LEADER)

    def setup(self) -> None:
        """Open the topics; the arm is not connected yet."""
        value = self.values
        ip, port = value["robot_ip"], value["robot_port"]
        settings = LinkSettings(ip, port, value["udp_host_ip"], value["udp_port"], udp_period_ms=5)
        arm = RealmanArm(settings, lambda: int(self.get_clock().now().nanoseconds))
        self._leader = Rm75Leader(
            arm, ip, value["sensitivity"], value["gripper"], value["state_timeout_s"], say=self._say
        )
        self._published_ns = 0
        self._count = len(AXIS_NAMES) if value["gripper"] else len(AXIS_NAMES) - 1
        self._publisher = self.create_publisher(JointState, "/leader/joint_states", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0 / value["rate_hz"], self.while_active(self._publish))
        self.create_timer(0.5, self._publish_diagnostics)

    def begin(self) -> None:
        """Connect and switch drag teach on."""
        self._leader.start()

    def _say(self, level: str, text: str) -> None:
        """Thread of the leader. rclpy ties a severity to the line of the call: one line each."""
        if level == "warning":
            self.get_logger().warning(f"leader: {printable(text)}")
        else:
            self.get_logger().info(f"leader: {printable(text)}")

    def _publish(self) -> None:
        newest = self._leader.position(time.monotonic())
        if newest is None or newest[1] == self._published_ns:
            return
        pose, self._published_ns = newest
        message = JointState(
            name=list(AXIS_NAMES[: self._count]), position=[float(v) for v in pose[: self._count]]
        )
        message.header.stamp = rclpy.time.Time(nanoseconds=self._published_ns).to_msg()
        self._publisher.publish(message)

    def _publish_diagnostics(self) -> None:
        fresh = self._leader.position(time.monotonic()) is not None
        level = DiagnosticStatus.OK if fresh else DiagnosticStatus.ERROR
        status = DiagnosticStatus(level=level, name="kine_teleop: leader", message=self._leader.link_text)
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def close(self) -> bool:
        """End drag teach: the leader holds its pose. False while a request hangs."""
        return self._leader.close()


def main() -> None:
    """Run the leader until SIGINT or SIGTERM; exit code 2 when a parameter is not allowed."""
    sdk_output.hide()
    kine_nodes.run("rm75_leader_node", Rm75LeaderNode)


if __name__ == "__main__":
    main()
