"""The whole stack as a child process in a ROS domain of its own.

It ends with its parent's `with` block, and with the parent itself, however that ended.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from kine_nodes.child import child_environment, module_command
from kine_nodes.own_domain import OwnDomain
from kinevla_policy.handshake import new_stack_id
from kinevla_policy.runner import ENDS_WITH_INPUT

_RUNNER = "kinevla_policy.runner"


class StackProcess:
    """Runs `kinevla_policy.runner` with the given options and its output in a log file.

    Args:
        options: command line of the runner, e.g. `["--sim", "--task", "5"]`.
        log: file for the output of all nodes; the driver's black box is written beside it.

    Attributes:
        domain: ROS domain of the nodes, and of this program until `stop`.
        stack_id: id of this stack, for `DemoClient`.

    Raises:
        RuntimeError: no ROS domain is free.
    """

    def __init__(self, options: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.stack_id = new_stack_id()
        self._own = OwnDomain()
        self.domain = self._own.number
        own = ["--stack-id", self.stack_id, "--black-box-folder", str(log.parent / "black_box")]
        self._file = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            module_command(_RUNNER, *own, *options),
            stdin=subprocess.PIPE,  # closed by the kernel when this program ends
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=child_environment(_RUNNER, {ENDS_WITH_INPUT: "1"}),
            # A Ctrl-C at the terminal is handled here, once, and passed on in order.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the runner."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the runner still runs."""
        return self._process.poll() is None

    def stop(self, timeout_s: float = 30.0) -> int:
        """End all nodes and return the runner's exit code."""
        if self.alive():
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._file.close()
            self._own.close()

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
