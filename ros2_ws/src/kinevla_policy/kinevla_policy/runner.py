"""Starts the stack without `ros2 launch`: the same nodes and parameter files, run by honcho.

When one process ends, all the others are ended too; SIGINT and SIGTERM end everything.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from pathlib import Path

import honcho.manager
import tyro
from ament_index_python.packages import get_package_prefix

from kinevla_policy.stack import NodeSpec, StackSettings, nodes

# As long as `ros2 launch` waits before it kills a node: 5 s for SIGINT and 5 s for SIGTERM.
KILL_AFTER_S = 10
ENDED = 1
"""Exit code when a process ended by itself without an error of its own."""
ENDS_WITH_INPUT = "KINE_ENDS_WITH_INPUT"
"""Environment variable: when it is set, the end of the standard input ends the stack like SIGINT."""


def command(spec: NodeSpec) -> list[str]:
    """The command line that `ros2 launch` would use for this node.

    Raises:
        FileNotFoundError: the package is built, but has no such executable.
    """
    executable = Path(get_package_prefix(spec.package)) / "lib" / spec.package / spec.executable
    if not executable.is_file():
        raise FileNotFoundError(f"{executable} does not exist; is package '{spec.package}' built?")
    line = [str(executable), "--ros-args", "-r", f"__node:={spec.name}"]
    if spec.parameter_file:
        line += ["--params-file", spec.parameter_file]
    for name, value in spec.parameters.items():
        line += ["-p", f"{name}:={_yaml(value)}"]
    return line


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"  # quoted, so that digits stay text
    return str(value)


class _Manager(honcho.manager.Manager):
    """Ends also the processes that are still being started when a signal comes."""

    def terminate(self) -> None:
        """End all; a process that honcho has not heard of yet would be left running."""
        if self._all_started():
            super().terminate()
        else:
            later = threading.Timer(0.05, self.terminate)
            later.daemon = True
            later.start()


def run(settings: StackSettings) -> int:
    """Run the stack until a process ends or a signal comes.

    Returns:
        128 and the signal's number after a signal, else the code of the process that ended, and never 0: a
        robot with a part missing has not ended well.

    Raises:
        ValueError, LookupError, FileNotFoundError: see `nodes` and `command`; nothing was started.
    """
    honcho.manager.KILL_WAIT = KILL_AFTER_S
    manager = _Manager()
    for spec in nodes(settings):
        # `exec`, so that signals reach the node and not a shell around it.
        manager.add_process(spec.name, "exec " + shlex.join(command(spec)), env=dict(os.environ))
    manager.loop()
    return int(manager.returncode or 0) or ENDED


def _end_with_input() -> None:
    # Not through sys.stdin, whose lock the forked children of honcho would inherit.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Command line: the launch arguments as options."""
    if os.environ.pop(ENDS_WITH_INPUT, None):
        threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        sys.exit(run(tyro.cli(StackSettings, description=__doc__)))
    except (ValueError, LookupError, FileNotFoundError) as error:
        print(f"stack: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
