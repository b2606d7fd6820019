"""Rows of docs/reference/faults.md for which the driver needs parameters or a clock of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for
from rosbags.highlevel import AnyReader

from kine_msgs.msg import BiLevelPlan
from realman_driver import black_box_plans
from realman_driver.arm_interface import LinkSettings
from realman_driver.arm_model import AXIS_NAMES
from realman_driver.config import DriverConfig
from realman_driver.driver import Driver
from realman_driver.gate import ChunkPoint, ReceivedChunk
from realman_driver.hooks import DriverHooks
from realman_driver.isolated_arm import IsolatedArm
from realman_driver.supervisor import State


@pytest.mark.slow
def test_a_full_disk_costs_the_bag_and_nothing_else(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "box"
    stand = Stand(
        client, emulator, start_driver(emulator.port, black_box_folder=folder, black_box_min_free_mb=1e6)
    )
    client.wait_state("CONNECTED")
    stand.start_slow_motion()
    assert client.call("estop").success
    client.values_when(lambda values: "must stay free" in values["black_box_last"], 60.0)
    assert client.call("reset").success
    stand.enable()


@pytest.mark.slow
def test_a_stop_leaves_a_bag_of_the_last_seconds(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    stand = Stand(client, emulator, start_driver(emulator.port, black_box_folder=tmp_path / "box"))
    client.wait_state("CONNECTED")
    stand.start_slow_motion()
    assert client.call("estop").success
    values = client.values_when(lambda values: values["black_box_bags"] == "1", 60.0)
    assert list(Path(values["black_box_last"]).glob("*.mcap"))


@pytest.mark.slow
def test_a_stop_after_a_plan_leaves_a_bag_with_what_the_policy_thought(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    stand = Stand(client, emulator, start_driver(emulator.port, black_box_folder=tmp_path / "box"))
    plans = client.node.create_publisher(BiLevelPlan, "/kinevla/plan", 10)
    try:
        client.wait_state("CONNECTED")
        stand.enable()
        wait_for(plans.get_subscription_count, 20.0, "the driver listens to plans")
        plan = BiLevelPlan(instruction="pick the bread", goal_codes=[7, 9], latency_total_s=0.25)
        plan.kinematics_reasoning = "lift it slowly"
        plan.header.frame_id = "kinevla/1/0"
        plans.publish(plan)
        client.publish(client.chunk([client.position()] * 2))
        client.values_when(lambda values: values["chunks_accepted"] == "1")
        assert client.call("estop").success
        values = client.values_when(lambda values: values["black_box_bags"] == "1", 60.0)
    finally:
        client.node.destroy_publisher(plans)
    # No type is given: what is in the bag must be enough to read it.
    with AnyReader([Path(values["black_box_last"])]) as reader:
        (connection,) = (c for c in reader.connections if c.topic == "/kinevla/plan")
        assert connection.msgtype == "kine_msgs/msg/BiLevelPlan"
        (row,) = reader.messages([connection])
        kept = reader.deserialize(row[2], connection.msgtype)
        assert kept.instruction == "pick the bread"
        assert kept.kinematics_reasoning == "lift it slowly"
        assert list(kept.goal_codes) == [7, 9]
        assert kept.latency_total_s == pytest.approx(0.25)
        assert abs(row[1] * 1e-9 - time.time()) < 120.0


def test_without_the_policys_messages_the_driver_says_so_and_goes_without(client: Client) -> None:
    said = black_box_plans.listen(client.node, lambda topic, data: None, None, "not_installed/msg/Plan")
    assert said == "plans do not get into the black box: No module named 'not_installed'"


class Wall:
    """A wall clock that can be set; the computer's own is left alone."""

    def __init__(self) -> None:
        self.off_s = 0.0

    def __call__(self) -> float:
        return 1e9 + time.monotonic() + self.off_s


@pytest.mark.parametrize("step_s", [-3600.0, pytest.param(3600.0, marks=pytest.mark.slow)])
def test_a_clock_that_is_set_neither_moves_nor_locks_the_arm(emulator: Emulator, step_s: float) -> None:
    """The driver without ROS, so that its wall clock can be set; SDK and emulated controller as they are."""
    wall = Wall()
    config = DriverConfig(
        robot_ip="127.0.0.1", robot_port=emulator.port, udp_port=0, black_box_folder="", state_timeout_s=1.0
    )
    settings = LinkSettings("127.0.0.1", emulator.port, "", 0, 5)
    arm = IsolatedArm(settings, lambda: round(wall() * 1e9), lambda text: None)
    driver = Driver(config, arm, DriverHooks(lambda *_: None, lambda *_: None, lambda *_: None, wall))
    driver.start()

    def chunk(offset_rad: float) -> ReceivedChunk:
        start = driver.streamer.setpoint
        points = tuple(
            ChunkPoint((start[0] + 0.25 * k * offset_rad, *start[1:]), 0.2 * k) for k in range(1, 5)
        )
        return ReceivedChunk(AXIS_NAMES, points, wall())

    try:
        wait_for(lambda: driver.supervisor.connected, 60.0, "a connection")
        assert driver.enable().ok
        assert driver.submit_chunk(chunk(0.1), wall()) is None
        wait_for(lambda: not driver.streamer.active, 30.0, "the end of the motion")
        here = driver.streamer.setpoint
        stale = chunk(0.1)
        wall.off_s = step_s
        refusal = driver.submit_chunk(stale, wall())
        assert refusal is not None
        assert refusal.rule in ("clock", "stamp")
        assert driver.clock.steps >= 1
        assert driver.clock.last_step_s == pytest.approx(step_s, abs=1.0)
        time.sleep(0.3)
        assert driver.streamer.setpoint == here, "the arm moved because a clock was set"
        refusal = driver.submit_chunk(chunk(-0.1), wall())
        for _ in range(20):  # not faster than a policy would: a flood is refused for being one
            if refusal is None:
                break
            time.sleep(0.5)
            refusal = driver.submit_chunk(chunk(-0.1), wall())
        assert refusal is None, refusal
        wait_for(lambda: not driver.streamer.active, 30.0, "the end of the motion")
        assert driver.supervisor.state is State.ENABLED
        assert emulator.state()["unsafe_frames"] == 0
    finally:
        driver.close()
