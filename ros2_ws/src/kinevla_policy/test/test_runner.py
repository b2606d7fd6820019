"""The process runner: exit codes, and what it refuses before anything is started."""

import subprocess
import sys

import pytest

# Two processes in place of nodes: one that stays, and one that ends as told.
STACK = """
import sys
from kinevla_policy import runner
from kinevla_policy.stack import NodeSpec, StackSettings
code = {"stays": "import time; print('there', flush=True); time.sleep(60)", "ends": sys.argv[1]}
runner.nodes = lambda settings: [NodeSpec("p", name, name) for name in code]
runner.command = lambda spec: [sys.executable, "-c", code[spec.name]]
sys.exit(runner.run(StackSettings()))
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 247),
        ("pass", 1),
        ("import os, time; os.kill(os.getppid(), 0); time.sleep(60)", None),
    ],
)
def test_a_process_that_ends_by_itself_ends_all_and_is_no_success(end, code):
    process = subprocess.Popen(
        [sys.executable, "-c", STACK, end], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    if code is None:  # a person ends it
        for line in process.stdout:
            if "there" in line:
                break
        process.terminate()
        code = 143
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "stays stopped" in output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--driver-config", "~/there/is/none.yaml"], "none.yaml does not exist"),
        (["--sim", "--task", "9"], "task is 9, must be within [1, 7]"),
        (["--teleop", "x"], "teleop:=x is unknown: none, sim, rm75, topic"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_before_anything_starts(options, text):
    line = [sys.executable, "-m", "kinevla_policy.runner", *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert text in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
