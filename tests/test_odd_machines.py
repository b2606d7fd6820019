"""Odd folders, homes and locales: set-up and commands work, or one line says why not, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))


def checkout(folder: Path) -> Path:
    """A project without sources: what set-up, build and clean are made of."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "ros2_ws" / "src").mkdir(parents=True)
    for name in ("models/pyproject.toml", "cmake/rosidl_wheels.cmake"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    return folder


def called(*line: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # As from a shell, also where this suite was itself started by make.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    environment |= variables
    words = [str(word) for word in line]
    return subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def refused(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1 and text in lines[0], done.stderr


def built(project: Path) -> None:
    """As if set-up, build, documentation and demonstration had been here."""
    marks = (".venv/.made-by-setup", ".site/index.html", "demo_output/.lock")
    for name in (*marks, *(f"ros2_ws/{folder}/COLCON_IGNORE" for folder in ("build", "install", "log"))):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()


@pytest.mark.parametrize("name", ["kine", "My Robots/kine", "Käse/kine", "a $HOME `x` 'y'/🤖"])
def test_clean_removes_what_was_made_here_and_nothing_beside_it(tmp_path, name):
    project = checkout(tmp_path / name)
    beside = [tmp_path / "My" / "thesis", tmp_path / "My Robots" / "thesis", project / "My" / "thesis"]
    for letter in beside:
        letter.mkdir(parents=True)
    before = sorted(path.name for path in project.iterdir())
    built(project)
    assert called("make", "-n", "demo", cwd=project).returncode == 0
    done = called("make", "clean", "VENV=" + str(tmp_path / "My"), cwd=project)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in project.iterdir()) == before
    assert [path.name for path in (project / "ros2_ws").iterdir()] == ["src"]
    assert all(letter.is_dir() for letter in beside)


@pytest.mark.parametrize("name", [".venv", "demo_output", ".site", "ros2_ws/install"])
def test_clean_refuses_what_it_did_not_make_and_then_removes_nothing(tmp_path, name):
    project = checkout(tmp_path / "kine")
    built(project)
    shutil.rmtree(project / name)
    (project / name).mkdir()
    (project / name / "thesis").touch()
    refused(called("make", "clean", cwd=project), "nothing was removed")
    assert (project / name / "thesis").exists() and (project / "ros2_ws" / "log").is_dir()


def test_clean_does_not_follow_links(tmp_path):
    project = checkout(tmp_path / "kine")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / ".ready").touch()
    (project / ".venv").symlink_to(tmp_path / "shared")
    assert called("make", "clean", cwd=project).returncode == 0
    assert (tmp_path / "shared" / ".ready").exists() and not (project / ".venv").is_symlink()


def test_the_makefile_of_another_folder_does_nothing_here(tmp_path):
    project = checkout(tmp_path / "kine")
    built(tmp_path / "mine")
    refused(called("make", "-f", project / "Makefile", "clean", cwd=tmp_path / "mine"), "make -C")
    assert (tmp_path / "mine" / ".venv").is_dir()


@pytest.mark.parametrize("name", ["Käse/kine", "🤖", "a:b", "a,b", "robots (copy)"])
@pytest.mark.parametrize("script", ["setup", "build"])
def test_a_path_in_which_ros_cannot_be_built_is_refused_before_anything_is_done(tmp_path, name, script):
    project = checkout(tmp_path / name)
    if script == "build":
        (project / ".venv" / "bin").mkdir(parents=True)
        (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    before = sorted(path for path in project.rglob("*"))
    refused(called(project / "scripts" / script, cwd=tmp_path), "move the project to a path of ASCII letters")
    assert sorted(path for path in project.rglob("*")) == before


@pytest.mark.parametrize("script", ["setup", "build"])
def test_a_link_does_not_hide_a_path_in_which_ros_cannot_be_built(tmp_path, script):
    project = checkout(tmp_path / "Käse" / "kine")
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "home").symlink_to(tmp_path / "Käse")
    line = tmp_path / "home" / "kine" / "scripts" / script
    refused(called(line, cwd=tmp_path), f"cannot be built in '{project}': move the project")


def interpreter(path: Path, then: str = ":") -> Path:
    """Stands in for Python: `-m venv` makes an environment with nothing but this in it, `-c` names it."""
    venv = 'mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python"'
    lines = ["#!/bin/bash", f"[[ $1 != -c ]] || echo {path}", f"[[ $2 != venv ]] || {{ {venv}; {then}; }}"]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def test_set_up_that_was_interrupted_can_be_run_again(tmp_path):
    project = checkout(tmp_path / "kine")
    (project / "requirements" / "apt.txt").write_text("")
    dying = interpreter(tmp_path / "python", "kill -INT $PPID; exit 130")
    assert called("scripts/setup", cwd=project, PYTHON=str(dying)).returncode != 0
    assert (project / ".venv" / "bin").is_dir() and not (project / ".venv" / ".ready").exists()
    (project / ".venv" / "half").touch()
    python = interpreter(tmp_path / "python")
    done = called("make", "setup", f"PYTHON={python}", cwd=project)
    assert done.returncode == 0, done.stderr
    assert (project / ".venv" / ".ready").exists() and not (project / ".venv" / "half").exists()


def test_set_up_can_be_run_with_the_environment_that_it_makes_anew(tmp_path):
    project = checkout(tmp_path / "kine")
    (project / "requirements" / "apt.txt").write_text("")
    python = interpreter(tmp_path / "python")
    for name in (python, project / ".venv" / "bin" / "python"):
        done = called("scripts/setup", cwd=project, PYTHON=str(name))
        assert done.returncode == 0, done.stderr
    assert (project / ".venv" / ".ready").exists() and (project / ".venv" / "bin" / "python").exists()


def test_below_a_home_that_is_a_link_what_was_set_up_can_be_used(tmp_path):
    project = checkout(tmp_path / "data" / "ada" / "kine")
    (project / "requirements" / "apt.txt").write_text("")
    (tmp_path / "home").symlink_to(tmp_path / "data")
    python = interpreter(tmp_path / "python")
    linked = tmp_path / "home" / "ada" / "kine"
    done = called("make", "setup", f"PYTHON={python}", cwd=linked, PWD=str(linked))
    assert done.returncode == 0, done.stderr
    for mark in (".venv/lib/librmw_fastrtps_cpp.so", "ros2_ws/install/setup.bash"):
        (project / mark).parent.mkdir(parents=True)
        (project / mark).touch()
    middleware = {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}
    for way in (linked, project):
        done = called(way / "scripts" / "run", "echo", "works", cwd=way, **middleware)
        assert done.stdout == "works\n", done.stderr
    project.rename(tmp_path / "kine")
    refused(called(tmp_path / "kine" / "scripts" / "run", "true", cwd=tmp_path), f"was made as '{linked}")


def test_setup_does_not_empty_an_environment_that_it_did_not_make(tmp_path):
    project = checkout(tmp_path / "kine")
    (project / ".venv" / "bin").mkdir(parents=True)
    refused(called("make", "setup", cwd=project), "was not made by scripts/setup")
    assert (project / ".venv" / "bin").is_dir()


def run(*line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return called(ROOT / "scripts" / "run", *line, cwd=ROOT, **variables)


def test_a_middleware_that_is_not_installed_is_one_line():
    refused(run("true", RMW_IMPLEMENTATION="rmw_cyclonedds_cpp"), "rmw_cyclonedds_cpp is not installed")


def test_a_workspace_that_was_moved_is_one_line(tmp_path):
    project = checkout(tmp_path / "kine")
    (project / ".venv").symlink_to((ROOT / ".venv").resolve())
    (project / "ros2_ws" / "install").mkdir()
    (project / "ros2_ws" / "install" / "setup.bash").touch()
    (project / "ros2_ws" / "install" / ".ready").write_text("/where/it/was")
    refused(called(project / "scripts" / "run", "true", cwd=tmp_path), "was made as '/where/it/was'")


@pytest.mark.parametrize("home", ["/proc/nobody", ""])
def test_without_a_home_ros_starts_all_the_same(tmp_path, home):
    code = "import rclpy; rclpy.init(); print(rclpy.create_node('x').get_name()); rclpy.shutdown()"
    done = run("python", "-c", code, HOME=home, TMPDIR=str(tmp_path))
    assert done.stdout == "x\n", done.stderr
    assert done.stderr.splitlines()[0] == (
        f"HOME='{home}' cannot be written: '{tmp_path}/kinevla-{os.getuid()}' is the home of this run"
    )


def test_a_temporary_home_that_somebody_else_prepared_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"kinevla-{os.getuid()}").symlink_to(tmp_path / "theirs")
    refused(run("true", HOME="/proc/nobody", TMPDIR=str(tmp_path)), "is not this user's")


def test_texts_are_utf_8_whatever_the_locale_says():
    code = "print('Käse – 🤖'); print(open('README.md').encoding)"
    locale = {"PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": ""}
    done = run("python", "-c", code, **locale)
    assert done.stdout == "Käse – 🤖\nUTF-8\n" or done.stdout == "Käse – 🤖\nutf-8\n", done.stderr


def test_a_program_starts_whose_interpreter_lies_in_a_folder_with_a_blank(tmp_path):
    from shell_starters import mend

    for folder in ("My Robots", "deep/" + "er" * 70):
        python = tmp_path / folder / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        script = tmp_path / folder / "program"
        quoted = f'"{python}"' if " " in str(python) else python
        script.write_text(f"#!{quoted}\nimport sys\nprint(sys.argv[1:])\n")
        script.chmod(0o755)
        assert mend(script) and not mend(script)
        assert called(script, "a b", "c", cwd=tmp_path).stdout == "['a b', 'c']\n"
    plain = tmp_path / "plain"
    plain.write_text("#!/usr/bin/env python3\nprint(1)\n")
    assert not mend(plain) and plain.read_text().startswith("#!/usr/bin/env")
