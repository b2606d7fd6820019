"""Ctrl-C and kills: clean ends, no orphans, no busy ports, and an arm that holds."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from kine_sim.tasks import TASKS
from kinevla_policy import runner, stack
from running_stack import start_stack

# What the process runner says about its processes.
SYSTEM = (
    "SIGINT received",
    "sending SIG",
    *(f"{name} st" for name in ("kine_sim", "realman_driver", "kinevla")),
)


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[str]:
    return [p.name() for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_ctrl_c_in_the_middle_of_a_motion_leaves_no_process_and_no_busy_port(tmp_path: Path):
    running = start_stack(tmp_path, "--task", "1", "--seed", "2")
    client = running.client
    try:
        client.wait_for("joint states", lambda: client.joint_states, 60, running.process.alive)
        client.wait_for(
            "policy",
            lambda: client.diagnostic("kinevla: policy").get("message") == "idle",
            120,
            running.process.alive,
        )
        client.enable()
        assert client.instruct(TASKS[0].instruction).accepted
        client.wait_for("a chunk", lambda: client.plans, 60, running.process.alive)
        children = descendants(running.process.pid)
        assert len(children) >= 3
    finally:
        client.close()
        started_s = time.monotonic()
        running.process.stop()
    assert time.monotonic() - started_s < runner.KILL_AFTER_S + 5.0
    assert alive(children) == []
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", running.port))
    log = running.process.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    assert "SIGKILL" not in log, log[-3000:]
    strange = [line for line in running.strange_lines() if "started (pid" not in line]
    assert [line for line in strange if not line.startswith(SYSTEM)] == []


def test_when_the_policy_is_killed_the_arm_holds(tmp_path: Path):
    running = start_stack(tmp_path, "--task", "1", "--seed", "2", "--no-policy")
    client = running.client
    settings = stack.StackSettings(sim=True, stack_id=running.process.stack_id)
    spec = next(s for s in stack.nodes(settings) if s.name == "kinevla")
    policy = subprocess.Popen(runner.command(spec), start_new_session=True)
    try:
        client.wait_for(
            "policy",
            lambda: client.diagnostic("kinevla: policy").get("message") == "idle",
            120,
            running.process.alive,
        )
        client.enable()
        assert client.instruct(TASKS[0].instruction).accepted
        client.wait_for("three chunks", lambda: len(client.plans) >= 3, 60, running.process.alive)
        policy.send_signal(signal.SIGKILL)
        policy.wait()
        running.wait_for_rest()  # the chunk already accepted is played to its end
        held = np.array(running.joints())
        frames = len([r for r in running.received() if r["command"] == "movej_canfd"])
        time.sleep(1.5)
        assert np.abs(np.array(running.joints())[:7] - held[:7]).max() < 2e-3
        assert len([r for r in running.received() if r["command"] == "movej_canfd"]) > frames
    finally:
        client.close()
        policy.kill()
        running.process.stop()


OWNER = """
import sys, time
from pathlib import Path
from kinevla_policy.stack_process import StackProcess
stack = StackProcess(["--sim", "--no-policy"], Path(sys.argv[1]))
print(stack.pid, flush=True)
time.sleep(600)
"""


def test_a_simulation_ends_with_the_program_that_started_it_also_when_that_is_killed(tmp_path: Path):
    line = [sys.executable, "-c", OWNER, str(tmp_path / "stack.log")]
    owner = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        deadline_s = time.monotonic() + 60.0
        while len(descendants(pid)) < 2 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        running = [psutil.Process(pid), *descendants(pid)]
        assert len(running) >= 3
    finally:
        owner.kill()
        owner.communicate()
    deadline_s = time.monotonic() + runner.KILL_AFTER_S + 5.0
    while alive(running) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert alive(running) == []
