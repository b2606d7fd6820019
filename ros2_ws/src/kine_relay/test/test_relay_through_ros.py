"""Policy on one side, a ros2_control arm on the other: names and types as both expect them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import rclpy
from builtin_interfaces.msg import Duration, Time
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_nodes.own_domain import OwnDomain

CONFIG = Path(__file__).parents[1] / "config" / "relay.yaml"
THEIRS = [f"arm_joint_{i}" for i in range(1, 8)]
OURS = [*(f"joint_{i}" for i in range(1, 8)), "gripper"]


def wait_for(condition, timeout_s=30.0):
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("not in time")


class Sides:
    """The policy's topics and those of the other arm, which reports a fixed pose at 50 Hz."""

    def __init__(self, domain: int) -> None:
        rclpy.init(domain_id=domain)
        self.node = node = rclpy.create_node("sides")
        self.trajectories: list[JointTrajectory] = []
        self.states: list[JointState] = []
        self._state = node.create_publisher(JointState, "/arm/joint_states", 10)
        self._chunks = node.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
        topic = "/arm/joint_trajectory_controller/joint_trajectory"
        node.create_subscription(JointTrajectory, topic, self.trajectories.append, 5)
        node.create_subscription(JointState, "/joint_states", self.states.append, 10)
        node.create_timer(0.02, self._publish_state)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _publish_state(self) -> None:
        state = JointState(name=THEIRS, position=[0.1] * 7)
        state.header.stamp = self.node.get_clock().now().to_msg()
        self._state.publish(state)

    def call(self, name: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, f"/kine_relay/{name}")
        assert client.wait_for_service(30.0)
        future = client.call_async(Trigger.Request())
        wait_for(future.done)
        return future.result()

    def send_chunk(self, *angles: float, age_s: float = 0.0) -> None:
        stamp_ns = self.node.get_clock().now().nanoseconds - int(age_s * 1e9)
        message = JointTrajectory(joint_names=OURS)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        for k, angle in enumerate(angles):
            point = JointTrajectoryPoint(positions=[angle] * 7 + [1.0])
            point.time_from_start = Duration(nanosec=(k + 1) * 100_000_000)
            message.points.append(point)
        self._chunks.publish(message)

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def sides():
    domain = OwnDomain()
    process = subprocess.Popen(
        [sys.executable, "-m", "kine_relay.relay_node", "--ros-args", "--params-file", str(CONFIG)],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sides = Sides(domain.number)
    yield sides
    process.terminate()
    output, _ = process.communicate(timeout=20)
    sides.close()
    domain.close()
    assert process.returncode == 0, output


def test_chunks_reach_the_controller_as_its_own_joints_and_a_stop_holds(sides):
    state = wait_for(lambda: sides.states and sides.states[-1])
    assert list(state.name) == OURS
    assert list(state.position) == pytest.approx([0.1] * 7 + [1.0])

    assert sides.call("enable").success
    wait_for(lambda: (sides.send_chunk(0.12, 0.15), time.sleep(0.2), sides.trajectories)[-1])
    got = sides.trajectories[-1]
    assert list(got.joint_names) == THEIRS
    assert (got.header.stamp.sec, got.header.stamp.nanosec) == (0, 0), "start at once"
    assert [list(point.positions) for point in got.points][-1] == pytest.approx([0.15] * 7)

    # A policy looked 0.45 s ago, while the arm moved: four of its ten points are past.
    sides.trajectories.clear()
    wait_for(
        lambda: (
            sides.send_chunk(*[0.11] * 30),
            time.sleep(0.5),
            sides.send_chunk(*[0.11] * 9, 0.115, age_s=0.45),
            time.sleep(0.2),
            any(len(got.points) <= 6 for got in sides.trajectories),
        )[-1]
    )
    got = next(got for got in sides.trajectories if len(got.points) <= 6)
    times_s = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in got.points]
    assert 0.0 < times_s[-1] <= 0.55 and list(got.points[-1].positions) == pytest.approx([0.115] * 7)
    assert (got.header.stamp.sec, got.header.stamp.nanosec) == (0, 0)

    assert sides.call("stop").message == "the arm holds"
    wait_for(lambda: list(sides.trajectories[-1].points[-1].positions) == pytest.approx([0.1] * 7))
    held = len(sides.trajectories)
    sides.send_chunk(0.12)
    time.sleep(0.5)
    assert len(sides.trajectories) == held, "a stop latches"
