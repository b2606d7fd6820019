"""Things go wrong while the arm moves: each test has a controller and a driver of its own to break."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, child_environment, moved_deg, wait_for

LOSS_BOUND_S = 0.2


def stop_time(records: list[dict[str, object]]) -> float:
    return float(str(records[-1]["time_s"]))


def test_a_killed_controller_is_reported_within_200_ms_and_after_the_reconnect_nothing_moves(
    own_stand: Stand,
) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    killed_s = emulator.kill()
    lost_s, values = client.wait_state("LOST")
    assert lost_s - killed_s < LOSS_BOUND_S
    assert values["enabled"] == "false"
    assert values["link"]
    assert [s for s, _ in client.joint_states if s > killed_s + 0.1] == [], "old data was published as new"

    restarted_s = time.monotonic()
    emulator.restart()
    client.wait_state("CONNECTED")
    client.values_when(lambda values: values["connects"] == "2")
    time.sleep(0.5)
    assert emulator.frames(restarted_s) == [], "the stream started without being asked"
    refused = int(client.diagnostics[-1][3]["chunks_refused"])
    client.publish(client.chunk([client.position()] * 3))
    client.values_when(lambda values: int(values["chunks_refused"]) == refused + 1)
    assert emulator.frames(restarted_s) == []
    own_stand.enable()
    time.sleep(0.3)
    frames = emulator.frames(restarted_s)
    assert len(frames) > 20
    assert moved_deg(frames) == 0.0


def test_a_frozen_controller_ends_the_stream_within_200_ms(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    emulator.process.send_signal(signal.SIGSTOP)
    frozen_s = time.monotonic()
    lost_s, _ = client.wait_state("LOST")
    assert lost_s - frozen_s < LOSS_BOUND_S
    sent = own_stand.frames_sent()
    time.sleep(0.6)
    assert own_stand.frames_sent() == sent, "frames pile up in front of a frozen controller"
    thawed_s = time.monotonic()
    emulator.process.send_signal(signal.SIGCONT)
    client.wait_state("CONNECTED", 10.0)
    late = emulator.frames(thawed_s)
    assert len(late) <= LOSS_BOUND_S / 0.01, "more than the frames of the time to notice arrived late"
    stops = emulator.requests("set_arm_stop", thawed_s)
    assert stops, "the arm was not stopped"
    assert [f for f in late if f["time_s"] > stop_time(stops)] == []


def test_missing_state_datagrams_stop_the_arm_and_coming_back_does_not_move_it(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    emulator.fault("mute_udp", True)
    muted_s = time.monotonic()
    lost_s, _ = client.wait_state("LOST")
    assert lost_s - muted_s < LOSS_BOUND_S
    stops = wait_for(lambda: emulator.requests("set_arm_stop", muted_s), 1.0, "a stop")
    assert stops[0]["time_s"] - muted_s < LOSS_BOUND_S
    assert [s for s, _ in client.joint_states if s > muted_s + 0.1] == []
    values = client.values_when(lambda values: "no state datagram arrived on UDP port" in values["link"])
    assert "1.0 s" in values["link"]
    emulator.fault("mute_udp", False)
    client.wait_state("CONNECTED", 10.0)
    assert [f for f in emulator.frames(muted_s) if f["time_s"] > stops[0]["time_s"]] == []


def test_datagrams_with_six_joints_are_not_believed(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion(duration_s=0.5, speed_rad_s=0.5)
    time.sleep(0.8)
    emulator.fault("six_value_udp", True)
    client.wait_state("LOST")
    values = client.values_when(lambda values: "state_not_believed.missing" in values)
    assert "joint_7" in values["last_state_not_believed"]


def test_a_joint_error_stops_the_arm_and_stays_until_reset(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    emulator.fault("joint_error", [3, 0x0040])
    _, values = client.wait_state("STOPPED")
    assert "joint_3 reports error 0x0040 (overcurrent)" in values["stop_reason"]
    refused = client.call("enable")
    assert not refused.success
    assert "joint_3" in refused.message
    reset = client.call("reset")
    assert reset.success, reset.message
    own_stand.enable()


def test_a_joint_without_power_stops_the_arm(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.enable()
    emulator.fault("disable_joint", 5)
    _, values = client.wait_state("STOPPED")
    assert "joint_5 is not enabled" in values["stop_reason"]
    assert client.call("reset").success
    own_stand.enable()


def test_a_stop_does_not_wait_for_a_controller_that_answers_nothing(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    emulator.fault("no_answer", True)
    time.sleep(0.2)
    called_s = time.monotonic()
    response = client.call("estop")
    stops = wait_for(lambda: emulator.requests("set_arm_stop", called_s), 1.0, "a stop")
    assert stops[0]["time_s"] - called_s < 0.05
    assert not response.success, "the stop was not confirmed"
    assert "latched" in response.message
    emulator.fault("no_answer", False)


def test_a_dropped_connection_is_noticed_and_made_again(own_stand: Stand) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    dropped_s = time.monotonic()
    emulator.fault("drop", "rst")
    lost_s, _ = client.wait_state("LOST")
    assert lost_s - dropped_s < LOSS_BOUND_S
    client.wait_state("CONNECTED")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_motion_stops_the_arm_and_ends_the_node_cleanly(
    own_stand: Stand, number: signal.Signals
) -> None:
    emulator, driver = own_stand.emulator, own_stand.driver
    own_stand.start_slow_motion()
    sent_s = time.monotonic()
    code, duration_s = driver.interrupt(number)
    assert code == 0, driver.output
    assert duration_s < 2.0
    stops = emulator.requests("set_arm_stop", sent_s)
    assert stops, "the arm was left moving"
    assert [f for f in emulator.frames(sent_s) if f["time_s"] > stop_time(stops)] == []
    wait_for(lambda: emulator.state()["clients"] == 0, 1.0, "the connection closed")
    with pytest.raises(ProcessLookupError):
        os.killpg(driver.process.pid, 0)
    assert "Traceback" not in driver.output


def test_a_signal_with_a_frozen_controller_still_ends_the_node_in_time(own_stand: Stand) -> None:
    own_stand.start_slow_motion()
    own_stand.emulator.process.send_signal(signal.SIGSTOP)
    time.sleep(0.05)
    code, duration_s = own_stand.driver.interrupt()
    own_stand.emulator.process.send_signal(signal.SIGCONT)
    assert code == 0, own_stand.driver.output
    assert duration_s < 2.5


def test_an_unreachable_controller_is_named_and_found_when_it_appears(
    start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = start_driver(port)
    client.wait_state("DISCONNECTED")
    values = client.values_when(lambda values: f"127.0.0.1:{port}: Connection refused" in values["link"])
    assert values["enabled"] == "false"
    assert not client.call("enable").success
    emulator = Emulator(tmp_path / "wire.jsonl", port=port)
    try:
        client.wait_state("CONNECTED", 10.0)
        assert driver.output.count("cannot connect") == 1, "one cause is said once, not at each attempt"
    finally:
        emulator.close()


def test_a_udp_port_in_use_is_said_in_words(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        start_driver(emulator.port, udp_port=port)
        values = client.values_when(lambda values: "already in use" in values["link"], 8.0)
        assert f"UDP port {port}" in values["link"]
    client.wait_state("CONNECTED", 10.0)


def test_a_generation_4_controller_is_driven_as_well(
    start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    emulator = Emulator(tmp_path / "wire.jsonl", generation=4)
    try:
        stand = Stand(client, emulator, start_driver(emulator.port))
        client.wait_state("CONNECTED")
        stand.start_slow_motion()
        assert client.call("estop").success
        assert emulator.requests("set_arm_emergency_stop") == []
        assert client.call("reset").success
    finally:
        emulator.close()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"robot_ip": "localhost"}, ["robot_ip", "localhost", "IPv4"]),
        ({"max_velocity_rad_s": 9.0}, ["max_velocity_rad_s", "9.0"]),
        ({"udp_period_ms": 7}, ["udp_period_ms", "7", "multiple of 5"]),
    ],
)
def test_a_wrong_parameter_ends_the_node_with_one_clear_sentence(
    start_driver: Callable[..., DriverProcess], parameters: dict[str, object], words: list[str]
) -> None:
    driver = start_driver(8080, **parameters)
    assert driver.process.wait(10.0) == 1
    wait_for(lambda: all(word in driver.output for word in words), 2.0, f"{words} in {driver.output!r}")
    assert "Traceback" not in driver.output


def test_the_environment_of_the_tests_keeps_them_on_this_computer() -> None:
    assert child_environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert child_environment()["ROS_DOMAIN_ID"] != "0"
