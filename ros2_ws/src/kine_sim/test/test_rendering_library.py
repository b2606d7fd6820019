"""Pictures are drawn by what the machine has, or one line says what to install."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NO_EGL = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json"}
DRAW = """
import os
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World
world = World(sample_scene(TASKS[0], 1), camera_size=(64, 64))
world.step(5)
print("physics", os.environ["MUJOCO_GL"], flush=True)
print("brightest", world.render("front").max())
"""


def drawn(**variables: str) -> subprocess.CompletedProcess[str]:
    chosen = ("MUJOCO_GL", "PYOPENGL_PLATFORM")  # by what this program has imported already
    environment = {name: value for name, value in os.environ.items() if name not in chosen} | variables
    return subprocess.run(
        [sys.executable, "-c", DRAW],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_egl_pictures_are_drawn_all_the_same():
    usual, other = drawn(), drawn(**NO_EGL)
    assert usual.stdout.startswith("physics egl\nbrightest 2"), usual.stderr
    assert other.stdout.startswith("physics osmesa\nbrightest 2"), other.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"MUJOCO_GL": "disable"}, "neither EGL nor OSMesa works"),
        ({"MUJOCO_GL": "egl", **NO_EGL}, "MUJOCO_GL=egl does not work (Cannot initialize"),
    ],
)
def test_where_nothing_can_be_drawn_physics_works_and_one_line_says_what_to_install(variables, told):
    done = drawn(**variables)
    assert done.stdout.startswith("physics "), done.stderr
    assert "brightest" not in done.stdout
    last = done.stderr.splitlines()[-1]
    assert told in last and "libosmesa6" in last and "Exception ignored" not in done.stderr
