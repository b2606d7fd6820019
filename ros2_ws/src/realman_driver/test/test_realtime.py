"""Real-time priority of the driver's process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, threading, time
from realman_driver.realtime import raise_priority
threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
print(repr(raise_priority({priority})))
found = []
threading.Thread(target=lambda: found.append(os.sched_getscheduler(0))).start()
time.sleep(0.2)
every = [os.sched_getscheduler(int(one)) for one in os.listdir("/proc/self/task")]
print(set(every + found) == {{os.SCHED_FIFO}}, set(every + found) == {{os.SCHED_OTHER}})
"""


def run(priority: int, limited: bool = False, processors: str = "") -> list[str]:
    """Run the program in a process of its own, with or without the right to raise its priority."""
    command = [sys.executable, "-c", PROGRAM.format(priority=priority)]
    if processors:
        command = ["taskset", "--cpu-list", processors, *command]
    if limited:
        command = ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice", *command]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=dict(os.environ, PYTHONPATH=paths)
    )
    return done.stdout.splitlines()


def may_raise() -> bool:
    """Whether this machine lets the tests raise a priority."""
    return subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode == 0


def test_all_threads_and_those_made_later_get_the_priority() -> None:
    if not may_raise() or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("raising the priority is not permitted here")
    assert run(40) == ["''", "True False"]


def test_a_process_with_one_processor_leaves_it_to_the_others_too() -> None:
    reason, everything = run(40, processors=str(min(os.sched_getaffinity(0))))
    assert "one processor only" in reason
    assert everything == "False True"


def test_zero_leaves_everything_as_it_is() -> None:
    assert run(0) == ["''", "False True"]


def test_without_the_right_the_reason_is_said_and_nothing_fails() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give the right up for the test")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("another reason comes first")
    reason, everything = run(40, limited=True)
    assert "40 is not permitted here" in reason
    assert everything == "False True"
