"""The driver's rows of docs/reference/faults.md, through the real SDK and the emulated controller.

Every row ends with the same judgement: no frame was unsafe, the measured joints never accelerated beyond the
arm's limit, and after a stop nothing moved before reset and enable.
"""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for
from joint_judgement import assert_rests, judge

REST_S = 0.4


@dataclass
class Row:
    """One fault: how it comes, what the driver shall say, and whether the arm stops for it.

    Attributes:
        begin, end: make the fault and take it away.
        said: what the newest diagnostics show once the driver has noticed.
        stops: whether the stream ends and a stop is sent.
        marks: for pytest.
        new_controller: the controller is another one afterwards, which has nothing to stop.
        plays_at_once: the emulated controller plays frames that waited in its socket at once, which no driver
            can take back: its acceleration then is not judged.
    """

    begin: Callable[[Stand], None]
    end: Callable[[Stand], None]
    said: Callable[[dict[str, str]], bool]
    stops: bool
    marks: list[Any] = field(default_factory=list)
    new_controller: bool = False
    plays_at_once: bool = False


def fault(name: str, value: Any = True) -> Callable[[Stand], None]:
    return lambda stand: stand.emulator.fault(name, value)


def clear(stand: Stand) -> None:
    stand.emulator.fault("clear")


def nothing(stand: Stand) -> None:
    """The fault is over by itself."""


def state_is(state: str, *words: str) -> Callable[[dict[str, str]], bool]:
    """The state, and words somewhere in link or reason."""

    def said(values: dict[str, str]) -> bool:
        text = f"{values['link']} {values['stop_reason']} {values['last_state_not_believed']}"
        return values["state"] == state and all(word in text for word in words)

    return said


def restart(stand: Stand) -> None:
    stand.emulator.kill()


def start_again(stand: Stand) -> None:
    stand.emulator.restart()


def freeze(stand: Stand) -> None:
    stand.emulator.process.send_signal(signal.SIGSTOP)


def thaw(stand: Stand) -> None:
    stand.emulator.process.send_signal(signal.SIGCONT)


def foreign_datagrams(stand: Stand) -> None:
    """Another host sends states in which the arm stands elsewhere."""
    port = int(stand.client.diagnostics[-1][3]["udp_port"])
    joints = {
        "joint_current": [0] * 7,
        "joint_en_flag": [1] * 7,
        "joint_err_code": [0] * 7,
        "joint_position": [50_000] * 7,
        "joint_temperature": [33_000] * 7,
        "joint_voltage": [24_000] * 7,
    }
    waypoint = {"euler": [0, 0, 0], "position": [0, 0, 0], "quat": [0, 0, 0, 1_000_000]}
    state = {"state": "realtime_arm_joint_state", "joint_status": joints, "waypoint": waypoint, "err": [0]}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.9", 0))
        for _ in range(20):
            other.sendto(json.dumps(state).encode(), ("127.0.0.1", port))
            time.sleep(0.01)


def another_client(stand: Stand) -> None:
    """A driver on another computer connects and has the state sent to itself."""
    push = {"command": "set_realtime_push", "enable": True, "cycle": 1, "port": 9, "ip": "127.0.0.1"}
    with socket.create_connection(("127.0.0.1", stand.emulator.port), timeout=5) as connection:
        connection.sendall(json.dumps(push).encode() + b"\r\n")
        assert b"set_realtime_push" in connection.recv(4096)


def request(stand: Stand, **message: Any) -> None:
    """A request of another client, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", stand.emulator.port), timeout=5) as connection:
        connection.sendall(json.dumps(message).encode() + b"\r\n")
        assert connection.recv(4096)


def foreign(command: str, **arguments: Any) -> Callable[[Stand], None]:
    return lambda stand: request(stand, command=command, **arguments)


def foreign_move(stand: Stand) -> None:
    """A planned motion of another client."""
    joints = [round(value * 1000) for value in stand.emulator.state()["joints_deg"]]
    joints[0] += 10_000
    request(stand, command="movej", joint=joints, v=5, r=0, trajectory_connect=0)


def stop_the_foreign_move(stand: Stand) -> None:
    request(stand, command="set_arm_stop")


def ask_for_the_arm(stand: Stand) -> None:
    """A reset while not connected takes the arm back."""
    assert not stand.client.call("reset", 30.0).success


SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def shared_driver(shared_emulator: Emulator) -> Iterator[DriverProcess]:
    """As in conftest.py, with more patience for datagrams: here only the fault at hand shall end the link."""
    process = DriverProcess(shared_emulator.port, state_timeout_s=1.0)
    yield process
    process.close()


ROWS: dict[str, Row] = {
    "link closed (FIN)": Row(fault("drop", "fin"), nothing, state_is("LOST"), True),
    "link broken (RST)": Row(fault("drop", "rst"), nothing, state_is("LOST"), True, [SLOW]),
    "controller frozen": Row(
        freeze, thaw, state_is("LOST", "no state for"), True, [SLOW], plays_at_once=True
    ),
    "controller restarted": Row(restart, start_again, state_is("LOST"), True, [SLOW], True),
    "half of the frames lost": Row(
        fault("lose_canfd", 0.5), clear, lambda v: v["chunk_active"] == "false", False
    ),
    "half of the datagrams lost": Row(
        fault("lose_udp", 0.5), clear, lambda v: float(v["state_rate_hz"]) < 150.0, False, [SLOW]
    ),
    "answers 300 ms late": Row(
        fault("delay_answers", 0.3), clear, lambda v: float(v["request_ms"]) > 300.0, False, [SLOW]
    ),
    "answers later than the SDK waits": Row(
        fault("delay_answers", 0.7), clear, lambda v: float(v["request_ms"]) > 400.0, False, [SLOW]
    ),
    "no answers": Row(fault("no_answer"), clear, state_is("LOST"), True, [SLOW]),
    "answers that are no answers": Row(fault("malformed_answer"), clear, state_is("LOST"), True, [SLOW]),
    "datagrams muted": Row(fault("mute_udp"), clear, state_is("LOST", "no state"), True, [SLOW]),
    "datagrams garbled": Row(
        fault("garbage_udp"),
        clear,
        lambda v: "state_not_believed.parse" in v and v["state"] == "LOST",
        True,
    ),
    "datagrams of another host": Row(
        foreign_datagrams, nothing, lambda v: int(v.get("state_not_believed.sender", "0")) > 0, False
    ),
    "joint error": Row(
        fault("joint_error", [2, 0x0009]),
        nothing,
        state_is("STOPPED", "joint_2 reports error 0x0009 (FOC error, over-temperature)"),
        True,
    ),
    "system error": Row(
        fault("system_error", 0x100D), nothing, state_is("STOPPED", "0x100D (collision)"), True, marks=[SLOW]
    ),
    "error late in a long list": Row(
        fault("push_fields", {"err": [0] * 30 + [0x100D]}),
        clear,
        state_is("STOPPED", "0x100D (collision)"),
        True,
    ),
    "joint error of the 17th bit": Row(
        fault("joint_error", [2, 0x20000]),
        nothing,
        state_is("STOPPED", "joint_2 reports error 0x20000"),
        True,
        [SLOW],
    ),
    "errors that cannot be read": Row(
        fault("push_fields", {"err": []}), clear, state_is("STOPPED", "cannot be read"), True, [SLOW]
    ),
    "another client stops the arm": Row(
        foreign("set_arm_stop"), nothing, state_is("STOPPED", "reports stop", "another client"), True
    ),
    "another client stops the arm on its way": Row(
        foreign("set_arm_slow_stop"), nothing, state_is("STOPPED", "another client"), True, [SLOW]
    ),
    "another client moves the arm": Row(
        foreign_move, stop_the_foreign_move, state_is("STOPPED", "reports move_J", "another client"), True
    ),
    "another client leads the arm by hand": Row(
        foreign("start_drag_teach", trajectory_record=0),
        foreign("stop_drag_teach"),
        state_is("STOPPED", "another client"),
        True,
        [SLOW],
    ),
    "a status that is not known": Row(
        fault("push_fields", {"arm_current_status": "dance"}),
        clear,
        state_is("STOPPED", "reports dance"),
        True,
        [SLOW],
    ),
    "no status": Row(
        fault("push_fields", {"arm_current_status": None}),
        clear,
        state_is("STOPPED", "arm_current_status is missing"),
        True,
        [SLOW],
    ),
    "positions frozen in the datagrams": Row(
        fault("freeze_positions"), clear, state_is("STOPPED", "does not follow"), True
    ),
    "positions jump": Row(
        fault("shift_positions", [0, 0, 90, 0, 0, 0, 0]), clear, lambda v: "joint_3" in v["stop_reason"], True
    ),
    "positions null": Row(
        fault("push_fields", {"joint_position": [0, 0, None, 0, 0, 0, 0]}),
        clear,
        lambda v: "joint_3 is null" in v["stop_reason"],
        True,
    ),
    "positions that are text": Row(
        fault("push_fields", {"joint_position": ["0"] * 7}),
        clear,
        lambda v: "joint_1 is text" in v["stop_reason"],
        True,
        [SLOW],
    ),
    "positions that are true": Row(
        fault("push_fields", {"joint_position": [True] * 7}),
        clear,
        lambda v: "joint_1 is True" in v["stop_reason"],
        True,
        [SLOW],
    ),
    "joint without power": Row(
        fault("disable_joint", 4), nothing, state_is("STOPPED", "joint_4 is not enabled"), True, marks=[SLOW]
    ),
    "another client takes the state": Row(
        another_client, ask_for_the_arm, state_is("LOST", "another client has the state of", ":9"), True
    ),
}
IDS = list(ROWS)


def wait_until_said(client: Client, said: Callable[[dict[str, str]], bool], since_s: float) -> None:
    """Wait until any diagnostics since a moment show it; some states are short."""

    def there() -> bool:
        return any(said(values) for at_s, _, _, values in tuple(client.diagnostics) if at_s > since_s)

    try:
        wait_for(there, 60.0)
    except AssertionError as error:
        shown = [(round(at_s - since_s, 1), message) for at_s, _, message, _ in client.diagnostics]
        changes = [b for a, b in pairwise([(0.0, ""), *shown]) if a[1] != b[1]]
        raise AssertionError(f"the driver does not say it; it said {changes}") from error


@pytest.mark.parametrize("name", [pytest.param(name, marks=ROWS[name].marks) for name in IDS])
def test_a_fault_in_mid_motion(stand: Stand, name: str) -> None:
    row, client = ROWS[name], stand.client
    stand.start_slow_motion()
    began_s = time.monotonic()
    row.begin(stand)
    wait_until_said(client, row.said, began_s)
    if not row.stops:
        row.end(stand)
        values = client.values_when(lambda values: values["chunk_active"] == "false", 30.0)
        assert values["state"] == "ENABLED"
        judge(stand, began_s)
        return
    row.end(stand)
    client.values_when(lambda values: values["connected"] == "true", 60.0)
    if not row.new_controller:
        stops = wait_for(lambda: stand.emulator.requests("set_arm_stop", began_s), 30.0, "a stop on the wire")
        frames = stand.emulator.frames(began_s)
        assert [f for f in frames if f["time_s"] > stops[-1]["time_s"]] == [], "frames after the stop"
    # What is played at once ends in a fast motion, from which the arm brakes for longer.
    rest_s = 3.0 * REST_S if row.plays_at_once else REST_S
    rests_s = time.monotonic() + rest_s
    client.publish(client.chunk([client.position()] * 3))
    time.sleep(rest_s + REST_S)
    assert_rests(stand, rests_s)
    judge(stand, rests_s if row.plays_at_once else began_s)
    reset = client.call("reset", 30.0)
    assert reset.success, reset.message
    assert client.diagnostics[-1][3]["enabled"] == "false"
    stand.enable()


@SLOW
def test_a_jammed_gripper_is_measured_and_does_not_hold_up_the_arm(stand: Stand) -> None:
    client, began_s = stand.client, time.monotonic()
    stand.emulator.fault("jam_gripper", 0.6)
    try:
        start = stand.enable()
        client.publish(client.chunk([[start[0] + 0.02 * k, *start[1:7], 0.0] for k in range(1, 9)]))
        client.values_when(lambda v: abs(float(v["gripper_opening"]) - 0.6) < 0.02, 30.0)
        wait_for(lambda: abs(client.position()[0] - start[0] - 0.16) < 0.01, 30.0, "the end of the motion")
        judge(stand, began_s)
    finally:
        stand.emulator.fault("jam_gripper", 0.0)


@SLOW
def test_a_gripper_that_refuses_is_reported_and_the_arm_goes_on(stand: Stand) -> None:
    client = stand.client
    start = stand.enable()
    stand.emulator.fault("no_answer", "set_gripper_position")
    client.publish(client.chunk([[start[0] - 0.02 * k, *start[1:7], 1.0 - start[7]] for k in range(1, 5)]))
    values = client.values_when(lambda values: int(values["gripper_failures"]) > 0, 30.0)
    assert values["state"] == "ENABLED"


def test_a_second_driver_on_the_same_arm_is_refused_and_names_the_first(
    stand: Stand, start_driver: Callable[..., DriverProcess]
) -> None:
    stand.start_slow_motion()
    began_s = time.monotonic()
    second = start_driver(stand.emulator.port)
    said = "is driven by another driver on this computer"
    wait_for(lambda: said in second.output, 30.0, "a refusal")
    assert f"(process {stand.driver.process.pid})" in second.output
    assert second.interrupt(timeout_s=20.0)[0] == 0
    # The diagnostics of both carry the same name; the wire tells whether the first was disturbed.
    assert stand.emulator.requests("set_arm_stop", began_s) == [], "the first driver was disturbed"
    stand.client.values_when(lambda values: values["state"] == "ENABLED", 30.0)


def test_an_arm_that_another_client_moves_is_not_enabled(stand: Stand) -> None:
    """Frames of a client on another computer, holding the arm where it stands."""
    joints = [round(value * 1000) for value in stand.emulator.state()["joints_deg"]]
    frame = {"command": "movej_canfd", "joint": joints, "follow": True}
    with socket.create_connection(("127.0.0.1", stand.emulator.port), timeout=5) as connection:
        for _ in range(100):
            connection.sendall(json.dumps(frame).encode() + b"\r\n")
            time.sleep(0.02)
            if stand.client.diagnostics[-1][3]["motion"]:
                break
        connection.sendall(json.dumps(frame).encode() + b"\r\n")
        response = stand.client.call("enable")
    assert not response.success
    assert "move_through_joint of another client" in response.message


def test_the_record_the_rows_are_judged_by_holds_the_joints(shared_emulator: Emulator) -> None:
    """Without this the judgement above could pass on an empty record."""
    wait_for(lambda: shared_emulator.ask(get="joints", since=0.0)["joints"], 10.0, "a record")
    row = shared_emulator.ask(get="joints", since=0.0)["joints"][-1]
    assert len(row) == 8
    assert row[4] == pytest.approx(np.radians(shared_emulator.state()["joints_deg"][3]), abs=1e-3)
