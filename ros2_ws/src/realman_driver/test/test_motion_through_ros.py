"""A user moves the arm through ROS: the node and the emulated controller run as processes."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest
from driver_rig import Stand, line, moved_deg, wait_for
from emulator_rig import best_of


def test_a_chunk_moves_the_arm_to_its_last_point_within_a_millidegree(stand: Stand) -> None:
    start = stand.enable()
    points = line(start, 0.0731, 5, gripper=0.3)
    stand.client.publish(stand.client.chunk(points))
    wait_for(lambda: abs(stand.client.position()[0] - points[-1][0]) < 2e-5, what="the last point")
    wait_for(lambda: abs(stand.client.position()[7] - 0.3) < 0.01, what="the gripper")
    time.sleep(0.3)
    goal_deg = [math.degrees(q) for q in points[-1][:7]]
    last_frame = stand.emulator.frames()[-1]["joints_deg"]
    assert max(abs(a - b) for a, b in zip(last_frame, goal_deg, strict=True)) <= 0.00051, (
        "not the nearest mdeg"
    )
    measured = stand.client.position()
    assert max(abs(math.degrees(a) - b) for a, b in zip(measured, goal_deg, strict=False)) <= 0.001
    assert measured[7] == pytest.approx(0.3, abs=0.01)


def test_the_stream_runs_at_a_constant_hundred_hertz_without_a_step(stand: Stand) -> None:
    stand.enable()
    step_rad = 0.02

    def off_the_period() -> float:
        """How far the middle period of one motion is off 10 ms."""
        nonlocal step_rad
        start = stand.client.position()
        begun_s = time.monotonic()
        points = [[*(q + step_rad * k for q in start[:7]), start[7]] for k in range(1, 11)]
        step_rad = -step_rad
        stand.client.publish(stand.client.chunk(points))
        wait_for(lambda: abs(stand.client.position()[0] - points[-1][0]) < 2e-5, what="the last point")
        frames = stand.emulator.frames(begun_s)
        periods = sorted(b["time_s"] - a["time_s"] for a, b in pairwise(frames))
        steps = [abs(b["joints_deg"][0] - a["joints_deg"][0]) for a, b in pairwise(frames)]
        # From rest the setpoint catches up with the points: it is faster than they are, for a moment.
        assert max(steps) <= 2.0 * math.degrees(0.2 * 0.02) + 0.002, (
            "a frame went further than two periods of motion"
        )
        assert all(frame["outcome"] == "followed" for frame in frames)
        return abs(periods[len(periods) // 2] - 0.01)

    assert best_of(off_the_period, 0.0005) < 0.0005


def test_a_newer_chunk_replaces_the_rest_of_the_running_one_without_a_jump(stand: Stand) -> None:
    client = stand.client
    start = stand.enable()
    begun_s = time.monotonic()
    # The base alone turns, 0.6 rad in 4 s: so far, all joints together would bring the tool to the table.
    towards = [[first[0], *start[1:]] for first in line(start, 0.015, 40)]
    client.publish(client.chunk(towards))
    wait_for(lambda: abs(client.position()[0] - start[0]) > 0.1, what="a part of the first chunk")
    client.publish(client.chunk([list(start)] * 2, period_s=0.4))
    wait_for(lambda: abs(client.position()[0] - start[0]) < 2e-5, what="the way back")
    frames = stand.emulator.frames(begun_s)
    steps = [abs(b["joints_deg"][0] - a["joints_deg"][0]) for a, b in pairwise(frames)]
    assert max(steps) < math.degrees(2.0 * 0.02)
    travelled = max(abs(frame["joints_deg"][0] - math.degrees(start[0])) for frame in frames)
    assert 5.0 < travelled < math.degrees(0.6) - 5.0, "the rest of the first chunk was executed"
    assert client.position()[:7] == pytest.approx(start[:7], abs=2e-5)


def test_a_chunk_is_refused_while_the_arm_is_disabled(stand: Stand) -> None:
    held = stand.client.position()
    begun_s = time.monotonic()
    stand.client.publish(stand.client.chunk([held] * 3))
    values = stand.client.values_when(lambda values: "CONNECTED" in values["last_refusal"])
    assert int(values["refused.not_enabled"]) >= 1
    assert stand.emulator.frames(begun_s) == []


def test_an_earlier_chunk_goes_on_to_its_end_when_a_bad_one_follows(stand: Stand) -> None:
    start = stand.enable()
    points = line(start, 0.04, 5)
    stand.client.publish(stand.client.chunk(points))
    bad = stand.client.chunk(points)
    bad.points[0].positions[0] = math.nan
    stand.client.publish(bad)
    wait_for(lambda: abs(stand.client.position()[0] - points[-1][0]) < 2e-5, what="the last point")


def test_a_stop_is_sent_at_once_latched_and_followed_by_no_frame(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    called_s = 0.0

    def until_stopped_s() -> float:
        nonlocal called_s
        assert client.call("reset").success
        stand.start_slow_motion()
        called_s = time.monotonic()
        response = client.call("estop")
        assert response.success, response.message
        return float(emulator.requests("set_arm_stop", called_s)[0]["time_s"]) - called_s

    assert best_of(until_stopped_s, 0.1) < 0.1
    time.sleep(0.3)
    stops = emulator.requests("set_arm_stop", called_s)
    assert [f for f in emulator.frames(called_s) if f["time_s"] > stops[-1]["time_s"]] == []
    position = client.position()
    time.sleep(0.2)
    assert client.position() == pytest.approx(position, abs=2e-5), "the arm still moves"
    client.wait_state("STOPPED")
    refused = client.call("enable")
    assert not refused.success
    assert "emergency stop requested" in refused.message
    assert client.call("reset").success
    client.wait_state("CONNECTED")
    assert emulator.frames(stops[-1]["time_s"]) == [], "reset alone must not start the stream"
    assert client.call("enable").success
    time.sleep(0.2)
    assert moved_deg(emulator.frames(stops[-1]["time_s"])) == 0.0
    assert client.position()[:7] == pytest.approx(position[:7], abs=1e-4)


def test_disable_stops_the_arm_and_the_stream(stand: Stand) -> None:
    stand.start_slow_motion()
    called_s = time.monotonic()
    assert stand.client.call("disable").success
    time.sleep(0.2)
    stops = stand.emulator.requests("set_arm_stop", called_s)
    assert stops
    assert [f for f in stand.emulator.frames(called_s) if f["time_s"] > stops[-1]["time_s"]] == []
    stand.client.wait_state("CONNECTED")


def test_home_is_reached_only_when_enabled_and_refuses_chunks_on_the_way(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    refused = client.call("home")
    assert not refused.success
    assert "ENABLED" in refused.message
    start = stand.enable()
    client.publish(client.chunk(line(start, 0.03, 20, gripper=0.0)))
    client.values_when(lambda values: values["chunk_active"] == "true")
    assert "a chunk is being executed" in client.call("home").message
    client.values_when(lambda values: values["chunk_active"] == "false")

    begun_s = time.monotonic()
    answer = client.begin_call("home")
    client.wait_state("HOMING")
    client.publish(client.chunk([client.position()] * 2))
    client.values_when(lambda values: "HOMING" in values["last_refusal"])
    response = client.finish_call(answer, 60.0)
    assert response.success, response.message
    moves = emulator.requests("movej", begun_s)
    assert len(moves) == 1
    assert '"v":20' in moves[0]["raw"]
    home = (0.0, 0.349066, 0.0, 1.221730, 0.0, 1.570796, 0.0)
    wait_for(lambda: client.position()[:7] == pytest.approx(home, abs=0.01), what="the arm at home")
    wait_for(lambda: client.position()[7] > 0.98, what="an open gripper")
    client.wait_state("ENABLED")
    time.sleep(0.5)
    assert emulator.frames(begun_s)[-1]["outcome"] == "followed", "the stream does not hold after homing"


def test_a_stop_ends_the_home_motion(stand: Stand) -> None:
    client = stand.client
    start = stand.enable()
    client.publish(client.chunk(line(start, 0.03, 20)))
    client.values_when(lambda values: values["chunk_active"] == "true")
    client.values_when(lambda values: values["chunk_active"] == "false")
    answer = client.begin_call("home")
    client.wait_state("HOMING")
    assert client.call("estop").success
    response = client.finish_call(answer)
    assert not response.success
    assert "emergency stop" in response.message
    time.sleep(0.5)  # until what is under way has come
    position = client.position()
    time.sleep(0.3)
    assert client.position()[:7] == pytest.approx(position[:7], abs=0.02)


def test_joint_states_carry_the_time_of_arrival_and_come_once_per_datagram(stand: Stand) -> None:
    stand.client.forget()
    sent_before = stand.emulator.state()["udp_sent"]
    wait_for(lambda: len(stand.client.joint_states) >= 300, what="300 joint states")
    received = list(stand.client.joint_states)
    sent = stand.emulator.state()["udp_sent"] - sent_before
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for _, m in received]
    assert all(b > a for a, b in pairwise(stamps))
    assert len(received) <= sent + 50  # what was still on its way at the start
    assert list(received[0][1].name) == [*(f"joint_{i}" for i in range(1, 8)), "gripper"]
    now_ns = stand.client.node.get_clock().now().nanoseconds
    assert abs(now_ns - stamps[-1]) < 2e9


def test_diagnostics_tell_rates_versions_and_temperatures(stand: Stand) -> None:
    stand.enable()
    values = stand.client.values_when(
        lambda values: float(values["stream_rate_hz"]) > 30.0 and float(values["state_rate_hz"]) > 30.0
    )
    assert float(values["stream_rate_hz"]) <= 105.0
    assert values["sdk_version"] == "1.1.6"
    assert values["controller_version"] == "V1.6.5"
    assert values["controller_generation"] == "3"
    assert values["joint_temperatures_c"].split() == ["33.0"] * 7
    assert 0.0 <= float(values["lateness_p99_ms"]) <= float(values["lateness_max_ms"])
    assert 0.0 <= float(values["state_age_ms"]) < 1000.0
