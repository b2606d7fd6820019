"""Each node is configured, activated, used, deactivated and cleaned up over and over: nothing is doubled.

The driver's own ten loops, with an arm, are in `realman_driver/test/test_lifecycle_through_ros.py`.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lifecycle_rig import NodeRig, go_round
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_cameras.camera_node import CameraNode
from kine_console.console_node import ConsoleNode
from kine_msgs.msg import DriverState
from kine_msgs.srv import Approve, Instruct, StartEpisode
from kine_nodes.image_message import image_message
from kine_relay.relay_node import RelayNode
from kine_teleop.puppet_node import PuppetNode
from kine_teleop.recorder_node import RecorderNode
from kine_teleop.rm75_leader_node import Rm75LeaderNode
from kine_teleop.sim_leader_node import SimLeaderNode
from kinevla_policy import policy_node
from kinevla_policy.compressor_node import CompressorNode
from kinevla_policy.free_ports import free_tcp_port
from realman_driver.arm_model import AXIS_NAMES

HOME = [0.0, 0.349, 0.0, 1.222, 0.0, 1.571, 0.0, 1.0]
STEP_RAD = 0.05
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)


@dataclass
class OneMotion:
    """A plan of one point, a step of joint 1 away."""

    actions: Any
    period_s: float = 0.02
    goal_text: str = ""
    kinematics_text: str = ""
    goal_codes: tuple[int, ...] = ()
    kinematics_codes: tuple[int, ...] = ()
    reasoning_reused: bool = False
    tokens_reused: int = 0
    tokens_decoded: int = 0
    unclear: str = ""
    latency_s: dict[str, float] = field(default_factory=dict)


class Instant:
    """Stands where the model stands: to and fro for ever, without looking."""

    def __init__(self, checkpoint: str, threads: int) -> None:
        self._sign = 1.0

    def check_instruction(self, text: str) -> str:
        return text

    check_reasoning = check_instruction

    def understand(self, observation: Any, instruction: str) -> None:
        """Everything is clear."""

    def plan_from(self, observation: Any, instruction: str, draft: Any, forced: Any) -> OneMotion:
        target = observation.state.copy()
        self._sign = -self._sign
        target[0] += self._sign * STEP_RAD
        return OneMotion(target[None])


@pytest.fixture(params=[3, pytest.param(10, marks=pytest.mark.slow)])
def times(request: pytest.FixtureRequest) -> int:
    """How often a node goes round: ten times among the long checks."""
    return int(request.param)


@pytest.fixture
def rig_of() -> Iterator[Callable[..., NodeRig]]:
    rigs: list[NodeRig] = []

    def make(*arguments: Any, **options: Any) -> NodeRig:
        rigs.append(NodeRig(*arguments, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def now(rig: NodeRig) -> Any:
    return rig.other.get_clock().now().to_msg()


def enabled() -> DriverState:
    return DriverState(state=DriverState.ENABLED, epoch=7, reason="enabled")


class Robot:
    """What policy and puppet hear of the robot: cameras, joints, an enabled driver, a leader's operator."""

    def __init__(self, rig: NodeRig) -> None:
        self.rig, node = rig, rig.other
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._driver = node.create_publisher(DriverState, "/realman_driver/state", latched)
        self._joints = [
            node.create_publisher(JointState, topic, 10)
            for topic in ("/joint_states", "/leader/joint_states")
        ]
        self._deadman = node.create_publisher(Bool, "/kine_teleop/deadman", 10)
        self._cameras = [
            node.create_publisher(Image, f"/{camera}/color/image_raw", 2) for camera in ("front", "wrist")
        ]
        self.chunks: list[JointTrajectory] = []
        self.disabled = 0
        node.create_subscription(JointTrajectory, "/realman_driver/joint_trajectory", self.chunks.append, 50)
        node.create_service(Trigger, "/realman_driver/disable", self._disable)
        node.create_timer(0.02, self._publish)
        self._tell_state()
        node.create_timer(0.5, self._tell_state)

    def _disable(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.disabled += 1
        response.success = True
        return response

    def _tell_state(self) -> None:
        state = enabled()
        state.header.stamp = now(self.rig)
        self._driver.publish(state)

    def _publish(self) -> None:
        stamp = now(self.rig)
        for publisher in self._joints:
            message = JointState(name=list(AXIS_NAMES), position=HOME)
            message.header.stamp = stamp
            publisher.publish(message)
        self._deadman.publish(Bool(data=True))
        for publisher in self._cameras:
            publisher.publish(image_message(PICTURE, stamp, "camera"))

    def nothing_comes(self) -> None:
        """No chunk within a while."""
        self.rig.settle(0.05)  # what was under way
        before = len(self.chunks)
        self.rig.settle(0.2)
        assert len(self.chunks) == before, "a chunk of a node that nobody has asked"


@pytest.fixture
def policy_rig(rig_of: Callable[..., NodeRig], monkeypatch: pytest.MonkeyPatch) -> NodeRig:
    """The policy node with a policy that plans at once and for ever."""
    monkeypatch.setattr(policy_node, "CheckpointPolicy", Instant)
    patient = ("max_observation_age_s:=3.0", "max_plan_age_s:=10.0", "max_stamp_ahead_s:=1.0")
    never_frozen = ("frozen_motion_rad:=3.0", "max_pair_gap_s:=0.2")
    return rig_of(policy_node.PolicyNode, "min_instruction_interval_s:=0.0", *patient, *never_frozen)


def instruct(rig: NodeRig) -> Instruct.Response:
    """Give a sentence, again while the node does not know enough of the robot yet."""

    def accepted() -> Instruct.Response | None:
        answer = rig.call(Instruct, "/kinevla/instruct", Instruct.Request(instruction="Move it."))
        rig.settle(0.05)
        return answer if answer.accepted else None

    return rig.until(accepted, "an instruction to be accepted")


def test_policy_again_and_again(policy_rig: NodeRig, times: int) -> None:
    rig, node = policy_rig, policy_rig.node
    robot = Robot(rig)
    ids: list[int] = []

    def use(number: int) -> None:
        assert not node._counts["instructions"], "it remembers the last time"
        ids.append(instruct(rig).instruction_id)
        rig.until(lambda: node._counts["chunks"] > 1, "chunks")
        assert node._counts["instructions"] == 1, "the sentence was handled more than once"
        motions = [chunk for chunk in robot.chunks if chunk.points[0].positions[0] != HOME[0]]
        names = [chunk.header.frame_id for chunk in motions]
        assert len(names) == len(set(names)), "a chunk was sent twice"

    go_round(rig, use, times)
    assert ids == sorted(set(ids)), "two instructions of the same number"


def test_deactivating_the_policy_ends_the_instruction_and_activating_does_not_resume_it(
    policy_rig: NodeRig,
) -> None:
    rig, robot = policy_rig, Robot(policy_rig)
    assert rig.change("configure", "activate")
    for ending in (("deactivate",), ("deactivate", "cleanup", "configure")):
        first = instruct(rig).instruction_id
        robot.chunks.clear()
        rig.until(lambda: robot.chunks, "chunks")
        assert rig.change(ending[0])
        robot.nothing_comes()
        assert np.abs(np.subtract(robot.chunks[-1].points[-1].positions, HOME)).max() < 1e-6, "no hold"
        assert rig.change(*ending[1:], "activate")
        robot.nothing_comes()
        # An approval of what was shown before means nothing any more.
        answer = rig.call(Approve, "/kinevla/approve", Approve.Request(instruction_id=first))
        assert not answer.accepted
        robot.nothing_comes()


def test_a_stop_while_a_sentence_is_being_understood_keeps_it_from_beginning(
    policy_rig: NodeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, robot, node = policy_rig, Robot(policy_rig), policy_rig.node
    assert rig.change("configure", "activate")
    instruct(rig)
    assert rig.call(Trigger, "/kinevla/stop", Trigger.Request()).success

    def understand(observation: Any, instruction: str) -> None:
        stop = threading.Thread(target=node._stop, args=(Trigger.Request(), Trigger.Response()))
        stop.start()
        stop.join()

    monkeypatch.setattr(node._policy, "understand", understand)
    answer = rig.call(Instruct, "/kinevla/instruct", Instruct.Request(instruction="Move it."))
    assert not answer.accepted and "stopped before it began" in answer.message
    robot.nothing_comes()


def test_a_checkpoint_that_cannot_be_loaded_leaves_nothing_behind_and_another_one_can_be_tried(
    policy_rig: NodeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, good = policy_rig, policy_node.CheckpointPolicy
    bare = rig.until(rig.graph)

    def broken(checkpoint: str, threads: int) -> None:
        raise ValueError("no such folder")

    monkeypatch.setattr(policy_node, "CheckpointPolicy", broken)
    assert not rig.change("configure")
    assert rig.state() == "unconfigured"
    before = rig.held()
    for _ in range(3):
        assert not rig.change("configure")
        rig.until(lambda: rig.graph() == bare and not rig.held() - before, "as before")
    monkeypatch.setattr(policy_node, "CheckpointPolicy", good)
    assert rig.change("configure", "activate")
    Robot(rig)
    instruct(rig)


def test_compressor_again_and_again(rig_of: Callable[..., NodeRig], times: int) -> None:
    rig = rig_of(CompressorNode)
    images = rig.other.create_publisher(Image, "/front/color/image_raw", 1)
    jpegs: list[CompressedImage] = []
    rig.other.create_subscription(CompressedImage, "/front/color/image_raw/compressed", jpegs.append, 10)

    def use(number: int) -> None:
        jpegs.clear()
        node: Any = rig.node
        rig.until(lambda: images.get_subscription_count() == 1, "its subscription")
        rig.until(lambda: node._outputs["/front/color/image_raw"].get_subscription_count() == 1)

        def come() -> bool:
            images.publish(image_message(PICTURE, now(rig), "front"))
            rig.settle(0.02)
            return bool(jpegs)

        rig.until(come, "a jpeg")
        rig.settle(0.05)
        stamps = [(jpeg.header.stamp.sec, jpeg.header.stamp.nanosec) for jpeg in jpegs]
        assert len(stamps) == len(set(stamps)), "an image was compressed twice"

    go_round(rig, use, times)


def test_camera_again_and_again(rig_of: Callable[..., NodeRig], tmp_path: Path, times: int) -> None:
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), PICTURE)
    rig = rig_of(CameraNode, "source:=recorded", f"recording:={tmp_path}")
    images: list[Image] = []
    rig.other.create_subscription(Image, "/camera/color/image_raw", images.append, 10)

    def use(number: int) -> None:
        images.clear()
        rig.until(lambda: len(images) > 2, "images")
        stamps = [(image.header.stamp.sec, image.header.stamp.nanosec) for image in images]
        assert len(stamps) == len(set(stamps)), "an image was published twice"

    go_round(rig, use, times)


def test_recorder_again_and_again_and_each_recording_is_ended_in_order(
    rig_of: Callable[..., NodeRig], tmp_path: Path, times: int
) -> None:
    rig = rig_of(RecorderNode, f"folder:={tmp_path}", "min_free_mb:=1", executor=EventsExecutor)
    joints = rig.other.create_publisher(JointState, "/joint_states", 10)
    written: list[str] = []

    def use(number: int) -> None:
        node: Any = rig.node
        answer = rig.call(StartEpisode, "/recorder/start", StartEpisode.Request(instruction="Move it."))
        assert answer.success, answer.message
        written.append(answer.episode_id)
        rig.until(lambda: joints.get_subscription_count() == 1, "its subscription")
        for _ in range(3):
            message = JointState(name=list(AXIS_NAMES), position=HOME)
            message.header.stamp = now(rig)
            joints.publish(message)
        rig.until(lambda: node._recorder.status().get("messages", 3) >= 3, "what was published")

    go_round(rig, use, times)
    assert len(set(written)) == times
    for episode in written:
        folder = tmp_path / "quarantine" / episode  # three messages are no demonstration
        assert (folder / "metadata.yaml").is_file(), "a recording was not ended"
        assert any("ended by the end of the recorder" in path.read_text() for path in folder.glob("*.json"))


def test_simulated_leader_again_and_again(rig_of: Callable[..., NodeRig], times: int) -> None:
    rig = rig_of(SimLeaderNode, "task:=1")
    poses: list[JointState] = []
    rig.other.create_subscription(JointState, "/leader/joint_states", poses.append, 10)

    def use(number: int) -> None:
        node: Any = rig.node
        assert node._leader._started_s is None, "it goes on with the last demonstration"
        poses.clear()
        assert rig.trigger("play").success
        rig.until(lambda: len(poses) > 2, "poses")

    go_round(rig, use, times)
    assert rig.change("configure")
    assert not rig.trigger("play").success


def test_leader_arm_again_and_again(rig_of: Callable[..., NodeRig], times: int) -> None:
    rig = rig_of(Rm75LeaderNode, "robot_ip:='127.0.0.1'", f"robot_port:={free_tcp_port()}", "udp_port:=0")
    node: Any = rig.node

    def use(number: int) -> None:
        rig.until(lambda: node._leader.link_text != "not connected yet", "an attempt to connect")

    go_round(rig, use, times)


def test_relay_again_and_again_and_it_passes_nothing_on_before_it_is_enabled_again(
    rig_of: Callable[..., NodeRig], times: int
) -> None:
    rig = rig_of(RelayNode)
    theirs = [f"arm_joint_{i}" for i in range(1, 8)]
    states = rig.other.create_publisher(JointState, "/arm/joint_states", 10)
    chunks = rig.other.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
    passed: list[JointTrajectory] = []
    topic = "/arm/joint_trajectory_controller/joint_trajectory"
    rig.other.create_subscription(JointTrajectory, topic, passed.append, 10)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.other.create_publisher(DriverState, "/realman_driver/state", latched)

    def tell_state() -> None:
        state = JointState(name=theirs, position=[0.1] * 7)
        state.header.stamp = now(rig)
        states.publish(state)

    rig.other.create_timer(0.02, tell_state)

    def send() -> None:
        chunk = JointTrajectory(joint_names=list(AXIS_NAMES))
        chunk.header.stamp = now(rig)
        point = JointTrajectoryPoint(positions=[0.11] * 7 + [1.0])
        point.time_from_start.nanosec = 100_000_000
        chunk.points.append(point)
        chunks.publish(chunk)

    def use(number: int) -> None:
        node: Any = rig.node
        rig.until(lambda: chunks.get_subscription_count() == 1, "its subscription")
        assert not node._relay.enabled, "it is enabled without having been asked"
        passed.clear()
        send()
        rig.settle(0.05)
        assert not passed
        rig.until(lambda: rig.trigger("enable").success, "the other arm's joints")
        send()
        rig.until(lambda: passed, "the trajectory")
        rig.settle(0.05)
        assert len(passed) == 1, "a chunk was passed on twice"

    go_round(rig, use, times)


def test_puppet_again_and_again_and_each_session_ends_with_the_driver_disabled(
    rig_of: Callable[..., NodeRig], times: int
) -> None:
    rig = rig_of(
        PuppetNode,
        "require_drift_check:=false",
        "leader_timeout_s:=2.0",
        "follower_timeout_s:=2.0",
        "deadman_timeout_s:=2.0",
    )
    robot, node = Robot(rig), rig.node

    def use(number: int) -> None:
        robot.nothing_comes()
        rig.until(lambda: rig.trigger("start").success, "a session to begin")
        robot.chunks.clear()
        rig.until(lambda: len(robot.chunks) > 2, "chunks")
        robot.disabled = 0
        assert rig.change("deactivate")
        rig.until(lambda: robot.disabled == 1, "the driver to be disabled")
        robot.nothing_comes()
        assert rig.change("activate")
        robot.nothing_comes()
        assert node._session.state.value == "STOPPED"

    go_round(rig, use, times)


def test_console_again_and_again(rig_of: Callable[..., NodeRig], tmp_path: Path, times: int) -> None:
    port = free_tcp_port()
    rig = rig_of(ConsoleNode, f"port:={port}", f"token_file:={tmp_path / 'token'}", executor=EventsExecutor)
    asked: list[str] = []
    for name in ("/realman_driver/estop", "/realman_driver/disable", "/kinevla/stop"):

        def serve(request: Any, response: Any, name: str = name) -> Any:
            asked.append(name)
            return response

        rig.other.create_service(Trigger, name, serve)

    def use(number: int) -> None:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30).read()
        assert b'"ok": true' in answer

    go_round(rig, use, times)
    assert not asked, "the console has called the robot by itself"


def test_new_values_hold_after_a_cleanup_and_are_refused_before_it(
    rig_of: Callable[..., NodeRig],
) -> None:
    rig = rig_of(CompressorNode)
    change = [Parameter("jpeg_quality", value=40)]
    assert rig.change("configure")
    refused = rig.node.set_parameters(change)[0]
    assert not refused.successful and "clean the node up" in refused.reason
    assert rig.node.get_parameter("jpeg_quality").value == 90
    assert rig.change("cleanup")
    assert rig.node.set_parameters(change)[0].successful
    assert rig.change("configure")
    assert rig.node.values["jpeg_quality"] == 40
