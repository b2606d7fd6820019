"""`view.launch.py` in the process of `ros2`, whose Python has ROS and little else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "launch" / "view.launch.py"
# The real `launch` comes with a ROS installation only: here its classes keep what they are given.
LOAD = """
import importlib.util, sys, types

ABSENT = ("cv2", "matplotlib", "mujoco", "scipy", "torch", "tyro")


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Kept:
    def __init__(self, *given, **named):
        self.given, self.named = given, named

    def perform(self, context):
        return context.values.get(self.given[0], "")


for name in ("launch", "launch.actions", "launch.conditions", "launch.substitutions", "launch_ros",
             "launch_ros.actions", "launch_ros.parameter_descriptions"):
    sys.modules[name] = module = types.ModuleType(name)
    module.__getattr__ = lambda _: Kept
sys.meta_path.insert(0, Absent())
spec = importlib.util.spec_from_file_location("view", sys.argv[1])
view = importlib.util.module_from_spec(spec)
spec.loader.exec_module(view)
view.generate_launch_description()
context = types.SimpleNamespace(argv=[], values=dict([sys.argv[2].split(":=")]))
[node] = view._publisher(context)
print(node.named["parameters"][0]["robot_description"].given[0])
"""


@pytest.mark.parametrize(
    ("argument", "code", "text"),
    [
        ("rviz:=false", 0, '<robot name="rm75"'),
        ("wrist_mount:=/none.yaml", 1, "make_urdf: mount file /none.yaml"),
    ],
)
def test_it_loads_without_what_only_the_nodes_need(argument: str, code: int, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(FILE), argument],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert text in (done.stderr.splitlines()[-1] if code else done.stdout)
