"""Starting and ending the node, also with a controller that is absent, frozen, or of the other generation."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, child_environment, stop_time, wait_for

# `ros2 launch` sends SIGTERM that long after SIGINT.
LAUNCH_ESCALATES_S = 5.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_motion_stops_the_arm_and_ends_the_node_cleanly(
    own_stand: Stand, number: signal.Signals
) -> None:
    emulator, driver = own_stand.emulator, own_stand.driver
    own_stand.start_slow_motion()
    sent_s = time.monotonic()
    code, duration_s = driver.interrupt(number)
    assert code == 0, driver.output
    assert duration_s < LAUNCH_ESCALATES_S
    stops = emulator.requests("set_arm_stop", sent_s)
    assert stops, "the arm was left moving"
    assert [f for f in emulator.frames(sent_s) if f["time_s"] > stop_time(stops)] == []
    wait_for(lambda: emulator.state()["clients"] == 0, what="the connection closed")
    wait_for(lambda: own_stand.client.listeners() == 0, what="the node gone from the ROS graph")
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
    assert duration_s < LAUNCH_ESCALATES_S


def test_an_unreachable_controller_is_named_and_found_when_it_appears(
    start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = start_driver(port, reconnect_max_s=0.5)
    client.wait_state("DISCONNECTED")
    values = client.values_when(lambda values: f"127.0.0.1:{port}: Connection refused" in values["link"])
    assert values["enabled"] == "false"
    assert not client.call("enable").success
    emulator = Emulator(tmp_path / "wire.jsonl", port=port)
    try:
        client.wait_state("CONNECTED")
        assert driver.output.count("not connected yet") == 1, "one cause is said once, not at each attempt"
        assert "[ERROR]" not in driver.output
        lines = driver.output.splitlines()
        assert [line for line in lines if not line.startswith("[")] == [], "raw lines of the SDK"
    finally:
        emulator.close()


def test_a_udp_port_in_use_is_said_in_words(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        start_driver(emulator.port, udp_port=port, reconnect_max_s=0.5)
        values = client.values_when(lambda values: "already in use" in values["link"])
        assert f"UDP port {port}" in values["link"]
    client.wait_state("CONNECTED")


def test_a_second_driver_finds_the_arm_that_still_reports_to_the_first_ones_port(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client
) -> None:
    first = start_driver(emulator.port)
    client.wait_state("CONNECTED")
    assert first.interrupt()[0] == 0
    client.forget()
    start_driver(emulator.port)
    client.wait_state("CONNECTED")
    assert len(client.position()) == 8


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
        ({"use_sim_time": True}, ["use_sim_time is true, must be false"]),
    ],
)
def test_a_wrong_parameter_ends_the_node_with_one_clear_sentence(
    start_driver: Callable[..., DriverProcess], parameters: dict[str, object], words: list[str]
) -> None:
    driver = start_driver(8080, **parameters)
    assert driver.process.wait(40.0) == 1
    wait_for(lambda: all(word in driver.output for word in words), what=f"{words} in {driver.output!r}")
    assert "Traceback" not in driver.output


def test_the_environment_of_the_tests_keeps_them_on_this_computer() -> None:
    assert child_environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert child_environment()["ROS_DOMAIN_ID"] != "0"
