"""A node whose thread or callback dies ends in order, says why in one line, and with status 1."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

NODE = """
import sys, threading, time
import kine_nodes
from kine_nodes import AUTOSTART, ManagedNode


class Failing(ManagedNode):
    def __init__(self):
        super().__init__("failing", AUTOSTART)

    def begin(self):
        if "callback" in sys.argv:
            self.create_timer(0.1, self.fail)
        else:
            threading.Thread(target=self.fail, name="camera", daemon=True).start()

    def fail(self):
        if "quiet" in sys.argv:
            raise SystemExit
        raise OSError("no picture\\nany more")

    def close(self):
        print("closed", flush=True)


print("up", flush=True)
kine_nodes.run("failing_node", Failing)
"""


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NODE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("kind", "what"), [("thread", "thread 'camera' died"), ("callback", "a callback failed")]
)
def test_the_death_of_a_part_is_that_of_the_node(kind, what):
    done = ended(kind)
    assert done.returncode == 1
    assert done.stdout == "up\nclosed\n", "it was not closed in order"
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if "[FATAL]" in line]
    assert f"ending: {what}: OSError: no picture\\nany more (<string>:" in line


def test_a_thread_that_ends_as_it_should_ends_nothing():
    process = subprocess.Popen([sys.executable, "-c", NODE, "quiet"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3.0)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 0


@pytest.mark.parametrize("when", ["def main():", "if True:"], ids=["running", "being loaded"])
def test_ctrl_c_in_a_program_that_is_no_node_yet_is_one_line(tmp_path, when):
    (tmp_path / "waiting.py").write_text(
        # Started in the background a program ignores the signal unless it says otherwise.
        f"import os, signal\n{when}\n    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import kine_nodes.start as s; s.start('waiting')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "-c: stopped\n")


@pytest.mark.parametrize(("takes_s", "printed"), [(0.3, "whole\nstopped\n"), (30.0, "")])
def test_a_signal_waits_for_what_is_being_imported_but_not_for_ever(tmp_path, takes_s, printed):
    (tmp_path / "library.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\n"
        f"time.sleep({takes_s})\nprint('whole')\n"
    )
    code = f"""
import sys, time, kine_nodes
sys.path.append({str(tmp_path)!r})
kine_nodes.init()
try:
    import library
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=25, check=False
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
