"""Fixtures: an emulated controller in this process, and the vendor SDK in a process of its own.

The SDK is process-global and can crash its process, so each scenario that uses it runs in a child process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
if importlib.util.find_spec("kine_sim") is None:
    sys.path.insert(0, str(PACKAGE_ROOT))

from kine_sim.controller import EmulatedController, KinematicArm  # noqa: E402

# Runs before each scenario: records events and state pushes; the end reports one JSON object.
PREAMBLE = """
import json, math, os, sys, time
from Robotic_Arm.rm_robot_interface import *
PORT, UDP_PORT = int(sys.argv[1]), int(sys.argv[2])
events, pushes, out = [], [], {}
arm = RoboticArm(rm_thread_mode_e.RM_TRIPLE_MODE_E)
def on_event(e):
    events.append({"t": time.monotonic(), "device": e.device, "arrived": bool(e.trajectory_state),
                   "connect": e.trajectory_connect})
def on_push(p):
    j = p.joint_status
    pushes.append({"t": time.monotonic(), "code": p.errCode, "ip": p.arm_ip.decode(), "port": p.arm_port,
        "q": list(j.joint_position), "err": list(j.joint_err_code), "en": [int(v) for v in j.joint_en_flag],
        "current": list(j.joint_current),
        "temperature": list(j.joint_temperature),
        "voltage": list(j.joint_voltage), "speed": list(j.joint_speed), "status": p.arm_current_status,
        "sys": [int(v) for v in p.err.to_dict()["err"]], "plus": p.rm_plus_state,
        "xyz": [p.waypoint.position.x, p.waypoint.position.y, p.waypoint.position.z],
        "aloha": [p.aloha_state.io1_state, p.aloha_state.io2_state]})
event_callback = rm_event_callback_ptr(on_event)
push_callback = rm_realtime_arm_state_callback_ptr(on_push)
arm.rm_get_arm_event_call_back(event_callback)
arm.rm_realtime_arm_state_call_back(push_callback)
def connect():
    out["id"] = arm.rm_create_robot_arm("127.0.0.1", PORT).id
    return out["id"]
def enable_push(cycle=2, flags=(1, -1, -1, 1, -1, -1, -1, -1)):
    custom, count = rm_udp_custom_config_t(*flags), len(pushes)
    config = rm_realtime_push_config_t(cycle, True, UDP_PORT, -1, "127.0.0.1", custom)
    code = arm.rm_set_realtime_push(config)
    wait(lambda: len(pushes) > count)
    return code
def wait(condition, limit=30.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False
def stream(target, seconds, rate=100.0, follow=True):
    codes, start = [], time.monotonic()
    for k in range(int(seconds * rate)):
        codes.append(arm.rm_movej_canfd(target(k / rate), follow))
        time.sleep(max(0.0, start + (k + 1) / rate - time.monotonic()))
    return codes
"""
POSTAMBLE = """
out["events"] = events
print("REPORT " + json.dumps(out), flush=True)
os._exit(0)
"""


@dataclass
class SdkResult:
    """What an SDK process did."""

    code: int
    out: dict[str, Any]
    output: str


class SdkProcess:
    """A running scenario."""

    def __init__(self, port: int, body: str, udp_port: int) -> None:
        script = PREAMBLE + textwrap.dedent(body) + POSTAMBLE
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(port), str(udp_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def tell(self, line: str = "go") -> None:
        """Release a scenario that waits in `input()`."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for_line(self, line: str) -> None:
        """Wait until the scenario has printed this line, its last one before it waits in `input()`."""
        assert self._process.stdout is not None
        for said in self._process.stdout:
            if said == line + "\n":
                return
        pytest.fail(f"the SDK scenario ended without saying {line!r}")

    def finish(self, timeout_s: float = 90.0) -> SdkResult:
        """Wait for the end and collect the report."""
        try:
            output, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
            pytest.fail(f"SDK scenario did not end within {timeout_s} s:\n{output[-2000:]}")
        reports = [line for line in output.splitlines() if line.startswith("REPORT ")]
        out = json.loads(reports[-1][7:]) if reports else {}
        return SdkResult(self._process.returncode, out, output)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Wire:
    """A raw client: sends lines and reads lines, without the SDK."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20.0)
        self._buffer = b""

    def send(self, data: bytes | dict[str, Any]) -> None:
        """Send bytes as they are, or a request."""
        self._socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\r\n")

    def line(self, timeout_s: float = 20.0) -> bytes:
        """Next line with its end; empty when the controller closed the connection."""
        self._socket.settimeout(timeout_s)
        while b"\r\n" not in self._buffer:
            data = self._socket.recv(65536)
            if not data:
                return b""
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def ask(self, request: dict[str, Any], timeout_s: float = 20.0) -> dict[str, Any]:
        """Send a request and return the next answer."""
        self.send(request)
        return json.loads(self.line(timeout_s))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> bool:
    """Poll a condition."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture
def until() -> Callable[..., bool]:
    return wait_until


@pytest.fixture
def backend() -> KinematicArm:
    return KinematicArm()


@pytest.fixture
def controller(backend: KinematicArm) -> Iterator[EmulatedController]:
    with EmulatedController(backend) as running:
        yield running


@pytest.fixture
def wire(controller: EmulatedController) -> Iterator[Wire]:
    client = Wire(controller.port)
    yield client
    client.close()


@pytest.fixture
def new_wire(controller: EmulatedController) -> Iterator[Callable[[], Wire]]:
    clients: list[Wire] = []

    def make() -> Wire:
        clients.append(Wire(controller.port))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def udp_port() -> int:
    return free_udp_port()


@pytest.fixture
def start_sdk() -> Callable[[int, str], SdkProcess]:
    return lambda port, body: SdkProcess(port, body, free_udp_port())


@pytest.fixture
def sdk(controller: EmulatedController) -> Callable[..., SdkResult]:
    """Run a scenario against the controller fixture and return its result."""

    def run(body: str, port: int | None = None, timeout_s: float = 90.0) -> SdkResult:
        return SdkProcess(port or controller.port, body, free_udp_port()).finish(timeout_s)

    return run
