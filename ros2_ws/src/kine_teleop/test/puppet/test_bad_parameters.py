"""A node with a parameter out of its bounds ends with one line that names it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "parameter", "named"),
    [
        ("sim_leader_node", "slowdown:=-5.0", "slowdown"),
        ("sim_leader_node", "offset_rad:=[0.1]", "offset_rad"),
    ],
)
def test_a_parameter_out_of_bounds_ends_the_node_with_one_line(
    module: str, parameter: str, named: str
) -> None:
    command = [sys.executable, "-m", f"kine_teleop.{module}", "--ros-args", "-p", parameter]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"{module}: ") and named in lines[0], ended.stderr
