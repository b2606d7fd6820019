"""Another client of the controller stops the arm: nothing here may override it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for
from joint_judgement import assert_rests, record_since

REST_S = 0.4


class SecondClient:
    """Another client of the controller, as a tool on another computer."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=10)

    def ask(self, **message: Any) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\r\n")
        assert self._connection.recv(4096)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def second(emulator: Emulator) -> Iterator[SecondClient]:
    client = SecondClient(emulator.port)
    yield client
    client.close()


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """Generation 4: the one with an emergency stop."""
    process = Emulator(tmp_path / "wire.jsonl", generation=4)
    yield process
    process.close()


def assert_nothing_moves_before_reset_enable_and_a_new_chunk(stand: Stand, client: Client) -> None:
    """A chunk, enable, reset and waiting do not move the arm; then it moves on request."""
    time.sleep(REST_S)
    rests_s = time.monotonic()
    here = client.position()
    client.publish(client.chunk([[here[0] + 0.05 * k, *here[1:]] for k in range(1, 4)]))
    refused = client.call("enable")
    assert not refused.success
    assert "reset first" in refused.message
    assert client.call("reset").success
    time.sleep(0.2)
    stand.enable()
    time.sleep(REST_S)
    assert_rests(stand, rests_s)
    here = client.position()
    client.publish(client.chunk([[here[0] + 0.02 * k, *here[1:]] for k in range(1, 4)]))
    wait_for(lambda: abs(client.position()[0] - here[0] - 0.06) < 5e-3, 20.0, "a motion on request")


@pytest.mark.parametrize("moving", [True, False], ids=["moving", "resting"])
def test_a_stop_of_another_client_is_latched_within_some_datagrams(
    own_stand: Stand, client: Client, emulator: Emulator, second: SecondClient, moving: bool
) -> None:
    if moving:
        own_stand.start_slow_motion()
    else:
        own_stand.enable()
        time.sleep(0.5)
    second.ask(command="set_arm_stop")
    stopped_s = float(emulator.requests("set_arm_stop")[0]["time_s"])
    _, values = client.wait_state("STOPPED")
    assert "reports stop" in values["stop_reason"]
    assert "another client" in values["stop_reason"]
    stops = wait_for(lambda: emulator.requests("set_arm_stop", stopped_s)[1:], 20.0, "the driver's own stop")
    late_s = stops[0]["time_s"] - stopped_s
    assert late_s < 0.3, f"the driver took {late_s:.3f} s"
    assert [f for f in emulator.frames(stopped_s) if f["time_s"] > stops[0]["time_s"]] == []
    assert_nothing_moves_before_reset_enable_and_a_new_chunk(own_stand, client)


def test_an_emergency_stop_on_and_off_never_lets_setpoint_and_arm_part(
    own_stand: Stand, client: Client, emulator: Emulator, second: SecondClient
) -> None:
    own_stand.start_slow_motion(speed_rad_s=0.6)
    began_s = time.monotonic()
    second.ask(command="set_arm_emergency_stop", emergency_stop=1)
    second.ask(command="set_arm_emergency_stop", emergency_stop=0)
    _, values = client.wait_state("STOPPED")
    assert "reports stop" in values["stop_reason"]
    time.sleep(REST_S)
    frames = emulator.frames(began_s)
    times, joints = record_since(own_stand, began_s - 0.1)
    sent = np.radians([frame["joints_deg"] for frame in frames]).reshape(-1, 7)
    for frame, position in zip(frames, sent, strict=True):
        measured = joints[np.searchsorted(times, frame["time_s"]) - 1]
        assert np.abs(position - measured).max() < 0.1
    speeds = np.abs(np.diff(joints, axis=0)) / np.maximum(np.diff(times), 1e-3)[:, None]
    assert speeds.max() < 1.0
    assert_nothing_moves_before_reset_enable_and_a_new_chunk(own_stand, client)


def test_an_arm_whose_emergency_stop_is_on_does_not_stay_enabled(
    own_stand: Stand, client: Client, emulator: Emulator, second: SecondClient
) -> None:
    second.ask(command="set_arm_emergency_stop", emergency_stop=1)
    client.values_when(lambda values: values["motion"] == "")
    began_s = time.monotonic()
    client.call("enable")
    _, values = client.wait_state("STOPPED")
    assert "reports stop" in values["stop_reason"]
    assert_rests(own_stand, began_s)
    second.ask(command="set_arm_emergency_stop", emergency_stop=0)
    assert_nothing_moves_before_reset_enable_and_a_new_chunk(own_stand, client)


@pytest.mark.parametrize("degrees", [5, 60])
def test_a_state_that_is_off_by_degrees_is_never_enabled(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, degrees: int
) -> None:
    emulator.fault("shift_positions", [0, 0, degrees, 0, 0, 0, 0])
    start_driver(emulator.port, push_timeout_s=1.0, reconnect_max_s=0.3)
    said = "not believed: joint_3" if degrees == 60 else "the state datagrams say"
    client.values_when(lambda values: said in values["link"] + values["state_disagreement"])
    refused = client.call("enable")
    assert not refused.success, refused.message
    time.sleep(0.3)
    assert emulator.frames() == [], "a frame was sent"
    emulator.fault("clear")
    client.values_when(lambda values: values["connected"] == "true" and not values["state_disagreement"])
    here = client.position()
    assert client.call("enable").success
    wait_for(lambda: len(emulator.frames()) > 5, 20.0, "frames")
    first = np.radians(emulator.frames()[0]["joints_deg"])
    assert first == pytest.approx(here[:7], abs=1e-4), "the first frame is a step"
