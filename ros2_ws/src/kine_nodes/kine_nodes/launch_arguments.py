"""Launch arguments that a launch file does not have: `ros2 launch` itself takes any name without a word."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from kine_nodes.parameters import unknown

# Of `ros2 launch` and its processes, in every launch file.
OF_LAUNCH = ("launch-prefix", "launch-prefix-filter", "emulate_tty", "sigterm_timeout", "sigkill_timeout")


def refuse_unknown(
    given: Sequence[str], known: Collection[str], file: str, command: Sequence[str] | None = None
) -> None:
    """Refuse arguments that a launch file does not declare.

    Args:
        given: `NAME:=VALUE` of the command line (`LaunchContext.argv`).
        known: the declared names.
        file: path of the launch file.
        command: the command line; None: this program's. Where it names another launch file, which includes
            this one, the arguments are that one's.

    Raises:
        ValueError: an unknown argument; names it and the nearest known one.
    """
    files = [Path(word).name for word in command or sys.argv if ".launch" in Path(word).name]
    if files and Path(file).name not in files:
        return
    for argument in given:
        name = argument.split(":=", maxsplit=1)[0]
        if name not in known and name not in OF_LAUNCH:
            raise ValueError(unknown("launch argument", name, known))
