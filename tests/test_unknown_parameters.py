"""A parameter that a node does not have, and a file that is for another one, end every node with one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kine_nodes.own_domain import OwnDomain

NODES = (
    "realman_driver.driver_node",
    "kinevla_policy.policy_node",
    "kinevla_policy.compressor_node",
    "kine_cameras.camera_node",
    "kine_console.console_node",
    "kine_relay.relay_node",
    "kine_sim.nodes.sim_node",
    "kine_teleop.puppet_node",
    "kine_teleop.recorder_node",
    "kine_teleop.rm75_leader_node",
    "kine_teleop.sim_leader_node",
)


@pytest.mark.parametrize("module", NODES)
def test_a_node_ends_with_one_line_that_names_what_it_does_not_know(module: str, tmp_path: Path):
    file = tmp_path / "mistyped.yaml"
    file.write_text("kinevlla:\n  ros__parameters: {threads: 2}\n")
    line = [sys.executable, "-m", module, "--ros-args"]
    with OwnDomain():
        started = [
            subprocess.Popen([*line, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for more in (["-p", "no_such_parameter:=1"], ["--params-file", str(file)])
        ]
        said = [process.communicate(timeout=60)[0].strip() for process in started]
    assert all(process.returncode in (1, 2) for process in started), said
    assert "parameter 'no_such_parameter' is unknown" in said[0] and "\n" not in said[0], said[0]
    assert f"parameter file {file}: is not for /" in said[1] and "\n" not in said[1], said[1]
