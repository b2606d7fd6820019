"""The command `kine` beside a running stack: what a user without the `ros2` tools does with the robot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

from kine_nodes.own_domain import OwnDomain
from kine_sim.tasks import TASKS
from running_stack import RunningStack

PROGRAM = Path(get_package_prefix("kine_cli")) / "lib" / "kine_cli" / "kine"


def kine(domain: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as from a terminal of its own in a ROS domain."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    line = [str(PROGRAM), *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)


def test_the_robot_is_enabled_instructed_stopped_and_asked_from_a_terminal(stack: RunningStack):
    assert kine(stack.domain, "disable").returncode == 0  # whatever was asked of this stack before
    early = kine(stack.domain, "instruct", TASKS[4].instruction)
    assert early.returncode == 1 and "the arm is not enabled" in early.stderr
    assert len(early.stderr.splitlines()) == 1

    enabled = kine(stack.domain, "enable")
    assert enabled.returncode == 0, enabled.stderr
    shown = kine(stack.domain, "status")
    assert shown.returncode == 0 and "arm ENABLED (SIMULATED arm at 127.0.0.1:" in shown.stdout
    assert "kinevla: policy" in shown.stdout and "kine_sim: judge: goal not reached yet" in shown.stdout

    started = kine(stack.domain, "instruct", TASKS[4].instruction)
    assert started.returncode == 0, started.stderr
    assert started.stdout == f"started: {TASKS[4].instruction}\n"
    count = len(stack.client.plans)
    stack.client.wait_for("a plan", lambda: len(stack.client.plans) > count, 60, stack.process.alive)
    stopped = kine(stack.domain, "stop")
    assert stopped.returncode == 0 and "the arm holds" in stopped.stdout
    assert '"goal_success"' in kine(stack.domain, "judge").stdout

    assert kine(stack.domain, "estop").returncode == 0
    refused = kine(stack.domain, "enable")
    assert refused.returncode == 1 and refused.stderr.startswith("kine enable: refused: ")
    assert kine(stack.domain, "reset").returncode == 0
    assert kine(stack.domain, "enable").returncode == 0
    assert kine(stack.domain, "disable").returncode == 0


@pytest.mark.parametrize("words", [["enable"], ["status"], ["estop"], ["record", "stop"]], ids=" ".join)
def test_where_nothing_runs_one_line_says_so_and_names_the_domain(words: list[str]):
    with OwnDomain() as domain:
        done = kine(domain.number, *words, "--wait", "1")
    assert done.returncode == 3 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert f"domain {domain.number}" in line
    assert ("EMERGENCY STOP SWITCH" in line) == (words == ["estop"])
