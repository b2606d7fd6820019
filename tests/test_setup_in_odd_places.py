"""Set-up itself, from nothing, in four odd environments: a blank, an umlaut, another user, no EGL.

Minutes, a few gigabytes of disk and a package index are needed; `make test-slow` runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("Makefile", "scripts", "requirements", "cmake", "models", "ros2_ws/src")
NO_EGL = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json"}
OTHER = 65_000  # a user without a name
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def copied(folder: Path) -> Path:
    """The sources, as a fresh clone has them."""
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def called(line: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # What this environment has set is not what a user's shell has.
    ours = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH", "VIRTUAL_ENV")
    others = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MAKEFLAGS", "KINE_ROS_FROM_WHEELS")
    kept = {name: value for name, value in os.environ.items() if name not in (*ours, *others)}
    kept["PATH"] = os.pathsep.join(
        entry for entry in kept["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))
    )
    return subprocess.run(
        line, cwd=cwd, env=kept | variables, capture_output=True, text=True, timeout=3000, check=False
    )


def one_line(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1 and text in lines[0], done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set up and built from nothing in a folder with a blank."""
    folder = copied(tmp_path_factory.mktemp("a b") / "My Robots" / "kine")
    done = called(["make", "build"], folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def test_with_a_blank_in_the_path_and_without_egl_the_demonstration_runs(project: Path) -> None:
    done = called(["make", "demo"], project, **NO_EGL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (project / "demo_output" / "demo.mp4").stat().st_size > 10_000
    assert called(["scripts/run", "kinevla", "--version"], project).stdout.startswith("kinevla ")
    program = project / "ros2_ws" / "install" / "kine_description" / "lib" / "kine_description" / "make_urdf"
    assert "<robot" in called(["scripts/run", str(program)], project).stdout


def test_an_umlaut_in_the_path_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = copied(tmp_path / "Käse" / "kine")
    one_line(called(["make", "demo"], folder), "move the project to a path of ASCII letters")
    assert not (folder / ".venv").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_can_run_what_was_built_or_is_told_why_not(project: Path) -> None:
    user = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
    for folder in (project, *project.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    one_line(called([*user, "scripts/setup"], project), "cannot be written by user")
    code = "from kine_sim.world import World; import rclpy; rclpy.init(); print('works')"
    done = called([*user, "scripts/run", "python", "-c", code], project)
    if done.returncode == 0:
        assert done.stdout == "works\n" and "is the home of this run" in done.stderr
    else:
        one_line(done, "make .venv with a Python that is there for this user")
