import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start_process():
    processes = []

    def start(*arguments):
        path = os.pathsep.join([str(PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-m", "kine_sim.controller", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, PYTHONPATH=path),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def announced_port(process, word):
    line = process.stdout.readline().split()
    assert line[0] == word
    return int(line[1].rsplit(":", 1)[1])


class LineClient:
    """Sends one JSON line and reads one."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30.0)
        self.file = self.socket.makefile("rwb")

    def ask(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()
        return json.loads(self.file.readline())


def test_first_line_names_the_port_and_sigterm_ends_it_cleanly(start_process):
    process = start_process("--port", "0", "--generation", "4")
    port = announced_port(process, "listening")
    answer = LineClient(port).ask({"command": "get_arm_software_info"})
    assert answer["robot_controller_version"] == "4.0"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""


def test_restart_on_the_same_port_works_at_once_after_a_kill_with_clients(start_process):
    first = start_process("--port", "0")
    port = announced_port(first, "listening")
    client = LineClient(port)
    client.ask({"command": "get_joint_degree"})
    first.kill()
    first.wait()
    second = start_process("--port", str(port))
    assert announced_port(second, "listening") == port
    assert LineClient(port).ask({"command": "get_joint_degree"})["state"] == "joint_degree"
    second.send_signal(signal.SIGINT)
    assert second.wait(timeout=30) == 0


def test_occupied_port_gives_one_clear_line_and_exit_code_2(start_process):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start_process("--port", str(port))
        out, err = process.communicate(timeout=30)
    assert process.returncode == 2 and out == ""
    assert err == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "error: port 70000 must be in 0..65535"),
        (["--rate", "5"], "error: control_rate_hz 5.0 must be in 50..1000 Hz"),
        (["--log", "/nonexistent/folder/log"], "No such file or directory"),
    ],
)
def test_wrong_option_gives_one_clear_line_and_exit_code_2(arguments, message, start_process):
    process = start_process(*arguments)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert message in err and err.count("\n") == 1


def test_killed_process_leaves_every_message_in_its_log(start_process, tmp_path):
    log = tmp_path / "wire.jsonl"
    process = start_process("--log", str(log))
    client = LineClient(announced_port(process, "listening"))
    for k in range(50):
        frame = {"command": "movej_canfd", "joint": [k * 10, 20000, 0, 70000, 0, 90000, 0], "follow": True}
        client.file.write(json.dumps(frame).encode() + b"\r\n")
    client.ask({"command": "get_joint_degree"})
    process.send_signal(signal.SIGKILL)
    process.wait()
    records = [json.loads(line) for line in log.read_text().splitlines()]
    frames = [r for r in records if r.get("kind") == "canfd"]
    assert len(frames) == 50 and frames[-1]["joints_deg"][0] == pytest.approx(0.49)
    assert all(r["time_s"] > 0 and r["client"] == "c1" for r in frames)
    assert '"joint_degree"' in records[-1]["raw"] and records[-1]["direction"] == "tx"


def test_fault_port_sets_faults_and_reports_state(start_process):
    process = start_process("--fault-port", "0")
    port, fault_port = announced_port(process, "listening"), announced_port(process, "faults")
    side, client = LineClient(fault_port), LineClient(port)
    state = side.ask({"get": "state"})["state"]
    assert state["joints_deg"] == [0, 20, 0, 70, 0, 90, 0] and state["status"] == "idle"
    assert side.ask({"fault": "joint_error", "value": [2, 64]}) == {"ok": True}
    assert client.ask({"command": "get_joint_err_flag"})["err_flag"] == [0, 64, 0, 0, 0, 0, 0]
    assert side.ask({"get": "state"})["state"]["joint_errors"][1] == 64
    assert side.ask({"fault": "drop", "value": "fin"}) == {"ok": True}
    assert client.file.readline() == b""
    assert side.ask({"fault": "drop", "value": "softly"})["ok"] is False
    assert side.ask("nonsense")["ok"] is False
    assert side.ask({"get": "canfd"}) == {"ok": True, "canfd": []}


def test_idle_emulator_is_light_on_the_processor(start_process):
    process = start_process("--push-ip", "127.0.0.1", "--push-port", "9", "--push-cycle", "2")
    announced_port(process, "listening")
    time.sleep(0.5)

    def cpu_s():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = cpu_s()
    time.sleep(1.5)
    # Control at 200 Hz and pushes at 100 Hz must leave the core to physics and rendering.
    assert (cpu_s() - before) / 1.5 < 0.25
