"""Sane and mad chunks of all kinds: no unsafe frame reaches the controller (`make fuzz` does a million)."""

from __future__ import annotations

import time
from pathlib import Path

import gate_fuzz
import numpy as np
import pytest
from driver_rig import Stand
from emulator_rig import Emulator, wait_for
from fuzz_chunks import KINDS, SHARES, UPPER, ChunkMaker
from joint_judgement import judge
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from realman_driver.arm_interface import LinkSettings
from realman_driver.arm_model import AXIS_NAMES, HOME_RAD
from realman_driver.config import DriverConfig
from realman_driver.driver import Driver
from realman_driver.gate import ChunkPoint, ReceivedChunk
from realman_driver.hooks import DriverHooks
from realman_driver.isolated_arm import IsolatedArm
from realman_driver.supervisor import State


def test_no_unsafe_frame_comes_of_chunks_of_all_kinds() -> None:
    tally = gate_fuzz.run((1, 600))
    assert tally.unsafe_frames == 0, tally.unsafe
    assert tally.frames > 500
    assert tally.accepted["valid"] > 8, "too little was accepted to show anything"
    assert tally.poses_judged > 500
    assert tally.asked_mujoco > 5
    assert sum(tally.refused[rule] for rule in ("table_clearance", "self_clearance", "workspace")) > 0
    for rule in ("joint_limits", "velocity", "finite", "stamp", "first_step", "joint_names"):
        assert tally.refused[rule] > 0, f"nothing was refused by {rule}"


def test_a_curve_that_would_overshoot_a_joints_range_is_not_played() -> None:
    """What once left the range of joint 5 by half a degree: fast towards the limit, then a new chunk."""
    rig = gate_fuzz.Rig(11)
    for _ in range(40):
        rig.begin()
        start = np.array(HOME_RAD)
        start[4] = UPPER[4] - 0.25
        rig.engage(tuple(start.tolist()))
        for _ in range(6):
            speed = float(rig.chance.uniform(0.5, 2.4))
            goal = min(UPPER[4] - 0.018, rig.streamer.setpoint[4] + 0.1 * speed)
            points = tuple(
                ChunkPoint((*rig.streamer.setpoint[:4], goal, *rig.streamer.setpoint[5:]), 0.1 * k)
                for k in range(1, 4)
            )
            chunk = ReceivedChunk(AXIS_NAMES, points, rig.now_s)
            rig.submit("valid", chunk)
    assert rig.tally.accepted["valid"] > 40
    assert rig.tally.unsafe_frames == 0, rig.tally.unsafe


def test_the_judge_of_the_fuzz_finds_a_frame_that_is_unsafe() -> None:
    rig = gate_fuzz.Rig(1)
    far = list(rig.frame)
    rig._send(rig.frame)
    far[0] += 0.2
    rig._send(tuple(far))
    assert rig.tally.unsafe_frames == 1
    assert "step" in rig.tally.unsafe[0]


def test_the_judge_of_the_fuzz_finds_a_pose_in_the_table_and_one_that_comes_nearer() -> None:
    rig = gate_fuzz.Rig(1)
    over, inside, deeper = ((0.0, turn, 0.0, 0.34, 0.0, 0.36, 0.0) for turn in (1.51, 1.57, 1.60))
    assert rig.space.unsafe(np.array([HOME_RAD, over])) == []
    assert len(rig.space.unsafe(np.array([over, inside]))) == 1
    assert rig.space.unsafe(np.array([inside, over])) == [], "a way out"
    assert len(rig.space.unsafe(np.array([inside, deeper]))) == 1
    assert "table" in rig.space.collision(np.array(deeper))
    assert rig.space.collision(np.array(HOME_RAD)) == ""


@pytest.mark.slow
def test_no_unsafe_frame_reaches_the_emulated_controller_through_the_sdk(tmp_path: Path) -> None:
    """Three thousand chunks in real time, over TCP."""
    emulator = Emulator(tmp_path / "wire.jsonl")
    config = DriverConfig(
        robot_ip="127.0.0.1", robot_port=emulator.port, udp_port=0, black_box_folder="", state_timeout_s=1.0
    )
    settings = LinkSettings("127.0.0.1", emulator.port, "", 0, 5)
    arm = IsolatedArm(settings, time.time_ns, lambda text: None)
    hooks = DriverHooks(
        lambda state, opening: None, lambda before, after, reason: None, lambda level, text: None
    )
    driver, chance = Driver(config, arm, hooks), np.random.default_rng(5)
    maker, accepted = ChunkMaker(chance), 0
    driver.start()
    try:
        wait_for(lambda: driver.supervisor.connected, 30.0, "a connection")
        assert driver.enable().ok
        kinds = chance.choice(len(KINDS), 3000, p=SHARES)
        for number in kinds.tolist():
            now_s = time.time()
            chunk = maker.make(KINDS[number], driver.streamer.setpoint, now_s, now_s)
            accepted += driver.submit_chunk(chunk, now_s) is None
            time.sleep(float(chance.uniform(0.0, 0.05)))
            assert driver.supervisor.state is State.ENABLED, driver.supervisor.stop_reason
        state = emulator.state()
        assert state["unsafe_frames"] == 0, state["violations"]
        assert accepted > 100
        print(f"3000 chunks, {accepted} accepted; {state['canfd_received']} frames, 0 of them unsafe")
    finally:
        driver.close()
        emulator.close()


def to_message(chunk: ReceivedChunk) -> JointTrajectory:
    """As a mad policy would publish it; times that no message can carry become very long."""
    message = JointTrajectory(joint_names=list(chunk.joint_names))
    second = int(np.floor(chunk.stamp_s))
    message.header.stamp.sec = second
    message.header.stamp.nanosec = int((chunk.stamp_s - second) * 1e9)
    for point in chunk.points:
        time_s = point.time_s if np.isfinite(point.time_s) else 1e9
        sent = JointTrajectoryPoint(positions=[float(value) for value in point.positions])
        sent.time_from_start.sec = int(np.floor(time_s))
        sent.time_from_start.nanosec = int(time_s % 1.0 * 1e9)
        if point.has_other_fields:
            sent.velocities = [0.0]
        message.points.append(sent)
    return message


@pytest.mark.slow
def test_no_unsafe_frame_comes_of_what_is_published_to_the_node(stand: Stand) -> None:
    """Three thousand messages of all kinds to the driver node, around where the arm is measured."""
    client, chance = stand.client, np.random.default_rng(6)
    maker, began_s = ChunkMaker(chance), time.monotonic()
    stand.enable()
    kinds = chance.choice(len(KINDS), 3000, p=SHARES)
    for number in kinds.tolist():
        now_s = client.node.get_clock().now().nanoseconds * 1e-9
        chunk = maker.make(KINDS[number], tuple(client.position()), now_s, now_s)
        client.publish(to_message(chunk))
        time.sleep(float(chance.uniform(0.0, 0.05)))
    values = client.values_when(lambda values: values["chunk_active"] == "false", 30.0)
    accepted, refused = int(values["chunks_accepted"]), int(values["chunks_refused"])
    print(f"3000 messages: {accepted} accepted, {refused} refused")
    assert values["state"] == "ENABLED", values["stop_reason"]
    assert accepted > 100
    assert accepted + refused > 2500, "the rest was lost on the way"
    judge(stand, began_s, window_s=0.12)
