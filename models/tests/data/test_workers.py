"""Worker processes and the program that started them."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinevla.data.workers import Deadline, JobRunner

JOBS = """
import os, time

def work(seconds):
    os.write(1, f"{os.getpid()}\\n".encode())  # one piece: two workers write
    time.sleep(seconds)
"""
PROGRAM = """
from itertools import chain, repeat
from jobs_for_workers import work
from kinevla.data.workers import Deadline, JobRunner

if __name__ == "__main__":
    jobs = chain([0.01] * 4, repeat(60.0))
    for _ in JobRunner(work, 2).run(lambda: next(jobs), Deadline(None)):
        pass
"""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_when_the_program_that_started_them_is_killed(tmp_path: Path) -> None:
    (tmp_path / "jobs_for_workers.py").write_text(JOBS)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    paths = os.pathsep.join([str(tmp_path), *(path for path in sys.path if path)])
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=paths),
    )
    assert process.stdout is not None
    workers: set[int] = set()
    try:
        for _ in range(6):  # four quick jobs and two long ones: both workers are at work
            workers.add(int(process.stdout.readline()))
        assert all(alive(pid) for pid in workers)
        process.kill()
        process.wait()
        deadline_s = time.monotonic() + 20.0
        while any(alive(pid) for pid in workers) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in workers), "a worker outlived its program"
    finally:
        process.kill()
        for pid in workers:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_worker_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "jobs_for_workers.py").write_text(JOBS)
    program = tmp_path / "program.py"
    program.write_text(
        PROGRAM.replace("chain([0.01] * 4, repeat(60.0))", "iter([0.01] * 4)").replace(
            "next(jobs)", "next(jobs, None)"
        )
    )
    for name in ("pickle", "selectors", "queue"):
        (tmp_path / "here" / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n")
    paths = os.pathsep.join([str(tmp_path), *(path for path in sys.path if path)])
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        | {"PYTHONPATH": paths},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4
    assert not (tmp_path / "mark").exists()


def test_what_starts_workers_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    jobs = iter([1.0, 2.0, 3.0])
    done = [result for _, result, _ in JobRunner(math.sqrt, 2).run(lambda: next(jobs, None), Deadline(None))]
    assert len(done) == 3
    assert "PYTHONSAFEPATH" not in os.environ
