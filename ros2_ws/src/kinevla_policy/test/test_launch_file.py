"""`robot.launch.py` in the real `launch`, where that is installed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("launch_ros")

FILE = Path(__file__).parents[1] / "launch" / "robot.launch.py"
# As `ros2 launch` does it; the last argument is for a process in place of each node, empty: the nodes.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros import actions

file, instead, *arguments = sys.argv[1:]
if instead:
    def process(**node):
        return ExecuteProcess(cmd=[sys.executable, "-c", instead], name=node["name"], output="screen")

    actions.Node = actions.LifecycleNode = process
given = [argument.split(":=") for argument in arguments]
include = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=given)
service = LaunchService(argv=arguments)
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""
SIM = ("sim:=true", "policy:=false")


def start(instead: str, *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", LAUNCH, str(FILE), instead, *arguments]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("simm:=true", "launch argument 'simm' is unknown; did you mean 'sim'?"),
        ("driver_config:=~/there/is/none.yaml", "none.yaml does not exist"),
        ("task:=9", "task is 9, must be within [1, 7]"),
        ("robot_port:=abc", "robot_port:=abc is no whole number"),
        ("teleop:=x", "teleop:=x is unknown: none, sim, rm75, topic"),
    ],
)
def test_what_cannot_work_ends_the_launch_with_one_line_and_an_exit_code(argument, text):
    process = start("", *SIM, argument)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    errors = [line for line in output.splitlines() if "ERROR" in line]
    assert len(errors) == 1 and text in errors[0], output
    assert "Traceback" not in output and "process started" not in output


@pytest.mark.parametrize("end", ["pass", "import sys; sys.exit(2)", "import os; os.kill(os.getpid(), 9)"])
def test_a_node_that_ends_by_itself_ends_the_launch_which_says_so(end):
    process = start(end, *SIM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "ended with exit code" in output and "all others end too" in output


@pytest.mark.timeout(60)
def test_ctrl_c_is_no_error():
    stays = "import signal, sys; signal.signal(2, lambda *_: sys.exit(0)); print('there', flush=True)"
    stays += "; signal.pause()"
    process = start(stays, *SIM)
    assert process.stdout is not None
    there = 0
    while there < 2:
        there += "there" in process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "ERROR" not in output
