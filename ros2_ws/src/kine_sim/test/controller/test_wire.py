import contextlib
import json
import time

import pytest

from kine_sim.controller import EmulatedController, KinematicArm
from kine_sim.controller.commands import COMMANDS
from kine_sim.controller.motion import MotionRefusedError
from kine_sim.controller.paths import plan_joint_path
from kine_sim.controller.protocol import (
    MAX_REQUEST_BYTES,
    AnswerTooLongError,
    LineSplitter,
    RequestTooLongError,
    encode_answer,
)
from kine_sim.controller.queries import QUERIES

DEGREE = {"command": "get_joint_degree"}


def test_answers_end_with_carriage_return_and_line_feed(wire):
    wire.send(DEGREE)
    line = wire.line()
    assert line.endswith(b"\r\n") and json.loads(line)["joint"] == [0, 20000, 0, 70000, 0, 90000, 0]


def test_requests_in_pieces_and_several_in_one_packet_are_answered_in_order(wire):
    for piece in (b'{"comm', b'and":"get_jo', b'int_degree"}\r', b"\n"):
        wire.send(piece)
        time.sleep(0.01)
    assert json.loads(wire.line())["state"] == "joint_degree"
    wire.send(b'{"command":"get_arm_power_state"}\r\n{"command":"get_joint_degree"}\r\n')
    assert [json.loads(wire.line())["state"] for _ in range(2)] == ["arm_power_state", "joint_degree"]


@pytest.mark.parametrize(
    "bad",
    [
        b"not json\r\n",
        b"[1, 2]\r\n",
        b'{"command": 5}\r\n',
        b"\xff\xfe\x00\r\n",
        b'{"a":' * 5000 + b"\r\n",
        b'{"command":"movej","v":' + b"9" * 5000 + b"}\r\n",
        b'{"command":"movej_canfd"}\r\n',
        b'{"command":"movej_canfd","joint":[1,2,3],"follow":true}\r\n',
        b'{"command":"movej_canfd","joint":["a",2,3,4,5,6,7],"follow":true}\r\n',
        b'{"command":"movep_canfd","pose":[9000000,0,0,0,0,0],"follow":true}\r\n',
    ],
)
def test_bad_request_is_logged_and_the_connection_lives_on(bad, wire, controller):
    wire.send(bad)
    assert wire.ask(DEGREE)["state"] == "joint_degree"
    refused = [r for r in controller.log.canfd_frames() if r.outcome.startswith("refused")]
    remarks = [n for n in controller.log.notes() if "JSON" in n]
    assert len(refused) + len(remarks) == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"command": "movej", "joint": [0] * 6, "v": 20, "r": 0, "trajectory_connect": 0},
        {"command": "movej", "joint": [0] * 7, "v": "fast", "r": 0, "trajectory_connect": 0},
        {"command": "movej", "joint": [0] * 7, "v": 20, "r": 0, "trajectory_connect": 2},
        {"command": "movel", "pose": [0, 0, 0], "v": 20, "r": 0, "trajectory_connect": 0},
        {"command": "movel"},
        {"command": "movec", "v": 20},
    ],
)
def test_malformed_motion_is_answered_with_receive_state_false(request_, wire):
    assert wire.ask(request_) == {"command": request_["command"], "receive_state": False}


@pytest.mark.parametrize(
    "junk", [None, True, -1, 1e308, 10**400, "x" * 300, [], [[1]], {"a": 1}, [1e300] * 7]
)
def test_no_junk_value_in_any_request_disturbs_the_controller(junk, wire, controller, backend):
    keys = [
        "joint",
        "pose",
        "v",
        "r",
        "trajectory_connect",
        "follow",
        "radio",
        "position",
        "speed",
        "force",
        "block",
        "min",
        "max",
        "joint_en_state",
        "joint_clear_err",
        "arm_power",
        "mode",
        "grade",
        "voltage_type",
        "port",
        "baudrate",
        "timeout",
        "address",
        "data",
        "device",
        "enable",
        "cycle",
        "ip",
        "custom",
        "init_pose",
        "frame_name",
        "tool_name",
        "frame_pose",
        "tool_pose",
        "payload",
        "joint_max_speed",
        "joint_max_pos",
        "trajectory_record",
        "collision_stage",
        "emergency_stop",
        "arm_line_speed",
    ]
    streamed = {"movej_canfd", "movep_canfd", "movej_follow"}
    for name in [*COMMANDS, *QUERIES, *streamed]:
        request = {"command": name} | dict.fromkeys(keys, junk)
        if name in streamed:
            wire.send(request)
        else:
            assert wire.ask(request), name
    assert wire.ask(DEGREE)["state"] == "joint_degree"
    assert not [
        note for note in controller.log.notes() if note.startswith(("request failed", "control loop"))
    ]
    assert backend.measured_rad() == pytest.approx(KinematicArm().measured_rad(), abs=1e-9)


def test_very_long_unknown_name_is_answered_shortly(wire):
    assert wire.ask({"command": "n" * 5000}) == {"command": "n" * 64, "state": False}


def test_unknown_command_is_answered_with_false_and_logged(wire, controller):
    assert wire.ask({"command": "make_coffee"}) == {"command": "make_coffee", "state": False}
    assert "unknown command 'make_coffee'" in controller.log.notes()


def test_overlong_request_closes_only_that_client_and_says_so(new_wire, controller):
    greedy, other = new_wire(), new_wire()
    greedy.send(b"x" * (MAX_REQUEST_BYTES + 10))
    with contextlib.suppress(ConnectionResetError):
        assert greedy.line() == b""
    assert other.ask(DEGREE)["state"] == "joint_degree"
    assert any("exceeds 65536 bytes; connection closed" in note for note in controller.log.notes())


def test_arrival_event_goes_to_the_client_that_commanded(new_wire):
    first, second = new_wire(), new_wire()
    goal = [3000, 20000, 0, 70000, 0, 90000, 0]
    request = {"command": "movej", "joint": goal, "v": 80, "r": 0, "trajectory_connect": 0}
    assert first.ask(request)["receive_state"] is True
    event = json.loads(first.line())
    assert event == {
        "state": "current_trajectory_state",
        "trajectory_state": True,
        "device": 0,
        "trajectory_connect": 0,
    }
    second.send(DEGREE)
    assert json.loads(second.line())["state"] == "joint_degree"


def test_loss_of_the_commanding_client_does_not_stop_the_motion(new_wire, until, backend, controller):
    client = new_wire()
    goal = [30000, 20000, 0, 70000, 0, 90000, 0]
    client.ask({"command": "movej", "joint": goal, "v": 50, "r": 0, "trajectory_connect": 0})
    client.close()
    assert until(lambda: abs(backend.measured_rad()[0] - 0.5236) < 0.003)
    assert until(lambda: any("event for a client that left" in note for note in controller.log.notes()))


@pytest.mark.parametrize("generation", [3, 4])
def test_every_answer_stays_below_1024_bytes_even_with_long_numbers_and_many_errors(generation):
    with EmulatedController(
        KinematicArm([-3.05, -2.2, -3.05, -2.3, -3.05, -2.2, -6.2]), generation=generation
    ) as controller:
        core = controller.core
        for joint in range(1, 8):
            core.errors.raise_joint(joint, 0xFFFF)
        for code in range(0x1001, 0x1020):
            core.errors.raise_system(code)
        for i in range(8):
            core.settings.tool_frames[f"tool{i:06d}"] = core.settings.tool_frames["Arm_Tip"]
            core.settings.work_frames[f"work{i:06d}"] = core.settings.work_frames["World"]
        core.settings.push.custom = dict.fromkeys(core.settings.push.custom, True)
        request = {"tool_name": "Arm_Tip", "frame_name": "World"}
        for name, query in QUERIES.items():
            assert len(encode_answer(query(core, {"command": name} | request))) < 1024, name
        assert len(json.dumps(core.realtime_state())) < 2048


def test_answer_of_1024_bytes_is_never_sent():
    with pytest.raises(AnswerTooLongError, match="must stay below 1024 bytes"):
        encode_answer({"command": "x", "pad": "y" * 1010})


def test_splitter_accepts_exactly_the_bound_and_refuses_one_more():
    assert LineSplitter(8).feed(b"12345678\n") == ["12345678"]
    with pytest.raises(RequestTooLongError, match="9 bytes exceeds 8 bytes"):
        LineSplitter(8).feed(b"123456789")


def test_motion_planned_before_a_stop_never_starts_after_it(controller):
    core = controller.core
    epoch = core.motion.epoch
    goal = core.motion.setpoint_rad() + 0.2
    path = plan_joint_path(core.motion.setpoint_rad(), goal, 50, core.settings)
    core.motion.stop()
    with pytest.raises(MotionRefusedError, match="a stop came"):
        core.motion.start(path, "c1", 0, epoch)
