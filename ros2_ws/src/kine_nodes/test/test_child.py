"""Child processes import nothing from the folder somebody happens to stand in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kine_nodes.child import child_environment, module_command

MODULE = "kine_nodes.child"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory full of modules that leave a mark when they are imported."""
    mark = tmp_path / "mark"
    for name in ("pickle", "json", "marshal", "subprocess", "numpy", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(tmp_path)
    return mark


@pytest.mark.parametrize("entry", ["", ".", "..", "relative", "HERE"])
def test_a_module_of_the_working_directory_is_never_imported(trap, monkeypatch, entry: str):
    monkeypatch.syspath_prepend(os.getcwd() if entry == "HERE" else entry)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", os.getcwd()]))
    line = module_command(MODULE)
    done = subprocess.run(line, env=child_environment(MODULE), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not trap.exists(), f"imported: {trap.read_text()}"
    code = [sys.executable, "-c", "import pickle, subprocess"]  # what the child itself starts
    subprocess.run(code, env=child_environment(MODULE), check=True, timeout=60)
    assert not trap.exists(), f"imported: {trap.read_text()}"


def test_the_child_finds_what_this_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)  # the program's own package lies in the working directory
    environment = child_environment("mine.part", {"ROS_DOMAIN_ID": "7"})
    assert str(tmp_path) in environment["PYTHONPATH"].split(os.pathsep)
    assert environment["ROS_DOMAIN_ID"] == "7"
