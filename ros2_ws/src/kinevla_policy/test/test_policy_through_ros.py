"""The policy node as a process, cameras and joints published by the test: approval, faults, its start."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sensor_msgs.msg import Image, JointState

from kine_msgs.msg import DriverState
from kine_msgs.srv import Approve
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC
from kine_nodes.image_message import image_message
from kine_nodes.own_domain import OwnDomain
from kine_sim.env import KineRealmanEnv
from kine_sim.tasks import TASKS
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.messages import JOINT_NAMES
from kinevla_policy.stack import default_checkpoint

HOME = [0.0, 0.349, 0.0, 1.222, 0.0, 1.571, 0.0, 1.0]
EDITED = TASKS[1].fine
POLICY = "kinevla: policy"


def start_node(*parameters: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kinevla_policy.policy_node", "--ros-args"]
    for parameter in parameters:
        command += ["-p", parameter]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Robot:
    """Cameras, joints and the driver's state at 15 Hz, and a client of the policy."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.client = DemoClient()
        node = self.client.node
        self.brightness = {"front": 90, "wrist": 90}
        # A policy that is asked what it understood has to see the thing it is told about.
        shown = KineRealmanEnv().reset(seed=3, options={"task": TASKS[0].number})[0]
        self.pictures = {camera: shown[camera].astype(np.int16) for camera in self.brightness}
        self.images = {
            camera: node.create_publisher(Image, f"/{camera}/color/image_raw", 2)
            for camera in self.brightness
        }
        self._joints = node.create_publisher(JointState, "/joint_states", 10)
        self._driver = node.create_publisher(DriverState, DRIVER_STATE_TOPIC, DRIVER_STATE_QOS)
        self.driver = DriverState(state=DriverState.ENABLED, epoch=4)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def _publish(self) -> None:
        rng = np.random.default_rng(0)
        while not self._done.wait(1 / 15):
            now = self.client.node.get_clock().now()
            state = JointState(name=list(JOINT_NAMES), position=HOME)
            state.header.stamp = now.to_msg()
            self._joints.publish(state)
            self._driver.publish(self.driver)
            for camera, publisher in tuple(self.images.items()):
                level = self.brightness[camera]
                noise = rng.integers(0, 4, (256, 256, 3)) if level else 0
                pixels = (self.pictures[camera] * level // 90 + noise).clip(0, 255)
                publisher.publish(image_message(pixels.astype(np.uint8), now.to_msg(), camera))

    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, what: str, ready: Callable[[], object]) -> None:
        self.client.wait_for(what, ready, 90.0, self.alive)

    def approve(self, text: str = "", instruction_id: int = 0) -> Approve.Response:
        request = Approve.Request(kinematics_reasoning=text, instruction_id=instruction_id)
        return self.client.call("/kinevla/approve", Approve, request, 60.0)

    def instruct(self) -> int:
        """Give an instruction, again when the last one was just a moment ago."""
        answers = []

        def accepted() -> bool:
            answers.append(self.client.instruct(TASKS[0].instruction))
            return bool(answers[-1].accepted)

        self.wait_for("an instruction to be accepted", accepted)
        return int(answers[-1].instruction_id)

    def shown(self, instruction_id: int) -> list:
        plans = list(self.client.plans)
        return [p for p in plans if p.instruction_id == instruction_id and p.awaiting_approval]

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self.client.close()


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    domain = OwnDomain()
    process = start_node(
        f"checkpoint:={default_checkpoint()}",
        "require_approval:=true",
        "max_observation_age_s:=3.0",
        "max_plan_age_s:=10.0",
        "max_pair_gap_s:=0.2",
        "max_stamp_ahead_s:=1.0",
        "max_blind_s:=1.0",
    )
    running = Robot(process)
    try:
        running.wait_for("the policy", lambda: running.client.diagnostic(POLICY).get("message") == "idle")
        yield running
    finally:
        running.close()
        process.terminate()
        output, _ = process.communicate(timeout=60)
        print(output[-3000:])
        domain.close()
    assert "Traceback" not in output


def test_an_approved_plan_moves_with_the_edited_reasoning_and_not_before(robot: Robot):
    client = robot.client
    assert robot.approve().message == "no plan waits for approval"
    number = robot.instruct()
    robot.wait_for("the plan", lambda: robot.shown(number))
    plan = robot.shown(number)[0]
    assert plan.kinematics_reasoning and plan.header.frame_id == f"kinevla/{number}/proposal"
    time.sleep(0.5)
    assert client.chunks == [], "moved before it was approved"
    refused = robot.approve("dance like a flamingo")
    assert not refused.accepted and "flamingo" in refused.message
    answer = robot.approve(EDITED)
    assert answer.accepted and answer.instruction_id == number, answer.message
    robot.wait_for("two chunks", lambda: len(client.chunks) >= 2)
    moving = [p for p in client.plans if p.instruction_id == number and not p.awaiting_approval]
    assert moving[0].kinematics_reasoning == " ".join(EDITED.split())
    assert moving[0].header.frame_id == client.chunks[0].header.frame_id
    client.trigger("/kinevla/stop", 60.0)


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (
            DriverState(state=DriverState.CONNECTED, epoch=4),
            "the arm is not enabled: the driver is CONNECTED",
        ),
        (
            DriverState(state=DriverState.STOPPED, epoch=4, reason="emergency stop requested"),
            "emergency stop",
        ),
        (DriverState(state=DriverState.ENABLED, epoch=4, source="kine_teleop"), "kine_teleop moves the arm"),
    ],
)
def test_an_instruction_is_refused_with_the_reason_while_nobody_may_move_the_arm(
    robot: Robot, driver: DriverState, said: str
):
    usual, robot.driver = robot.driver, driver
    try:
        robot.wait_for("the refusal", lambda: said in robot.client.instruct(TASKS[0].instruction).message)
        assert not robot.client.instruct(TASKS[0].instruction).accepted
    finally:
        robot.driver = usual


def test_an_instruction_ends_when_the_driver_leaves_enabled_and_never_resumes(robot: Robot):
    client, usual = robot.client, robot.driver
    number = robot.instruct()
    robot.wait_for("the plan", lambda: robot.shown(number))
    assert robot.approve().accepted
    robot.wait_for("a chunk", lambda: [p for p in client.plans if p.instruction_id == number][1:])
    assert client.chunks[-1].header.frame_id.endswith("@4")
    robot.driver = DriverState(state=DriverState.STOPPED, epoch=4, reason="emergency stop requested")
    try:
        robot.wait_for(
            "the end of the instruction",
            lambda: "emergency stop" in client.diagnostic(POLICY).get("last instruction ended", ""),
        )
        chunks = len(client.chunks)
        robot.driver = DriverState(state=DriverState.ENABLED, epoch=5)
        time.sleep(1.0)
        assert len(client.chunks) == chunks, "it went on by itself"
    finally:
        robot.driver = usual


def test_an_instruction_is_refused_while_a_camera_is_silent(robot: Robot):
    picture = robot.brightness.pop("front")
    silent = robot.images.pop("front")
    try:
        robot.wait_for(
            "the refusal", lambda: "front camera" in robot.client.instruct(TASKS[0].instruction).message
        )
        assert not robot.client.instruct(TASKS[0].instruction).accepted
    finally:
        robot.brightness["front"], robot.images["front"] = picture, silent


def test_a_stop_while_a_plan_waits_drops_it(robot: Robot):
    number = robot.instruct()
    robot.wait_for("the plan", lambda: robot.shown(number))
    assert robot.client.trigger("/kinevla/stop", 60.0).success
    answer = robot.approve()
    assert not answer.accepted and answer.message == "no plan waits for approval"


def test_a_flood_of_instructions_is_answered_one_by_one_and_the_node_lives(robot: Robot):
    client = robot.client
    answers = [client.instruct(TASKS[k % 2].instruction) for k in range(40)]
    refused = [answer.message for answer in answers if not answer.accepted]
    assert refused and all("apart" in message for message in refused)
    last = [answer.instruction_id for answer in answers if answer.accepted][-1]
    robot.wait_for("the plan of the last one accepted", lambda: robot.shown(last))
    assert client.trigger("/kinevla/stop", 60.0).success


def test_black_pictures_end_the_instruction_with_the_reason(robot: Robot):
    client = robot.client
    number = robot.instruct()
    robot.wait_for("the plan", lambda: robot.shown(number))
    assert robot.approve().accepted
    robot.wait_for("a chunk", lambda: [p for p in client.plans if p.instruction_id == number][1:])
    robot.brightness["wrist"] = 1
    try:
        robot.wait_for(
            "the end of the instruction",
            lambda: "nothing to plan from" in client.diagnostic(POLICY).get("last instruction ended", ""),
        )
        refusal = client.diagnostic(POLICY)["last image refusal"]
        assert "wrist camera" in refusal and "black" in refusal
        chunks = len(client.chunks)
        robot.brightness["wrist"] = 90
        time.sleep(1.0)
        assert len(client.chunks) == chunks, "it went on by itself"
    finally:
        robot.brightness["wrist"] = 90


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("look_margin_s:=9.0", "look_margin_s is 9.0, must be within [0, 0.3]"),
        ("execution:=later", "execution is 'later', must be async or sync"),
        ("checkpoint:=nowhere", "cannot start with the checkpoint 'nowhere'"),
    ],
)
def test_a_start_that_cannot_work_ends_with_one_line_and_no_traceback(parameter: str, said: str):
    process = start_node(parameter)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said in output.splitlines()[-1]
    assert "Traceback" not in output
