"""Entry point of `kinevla`: finds the command, lets tyro read its options, runs it.

A command is a frozen dataclass of options and a function `run(args) -> int`. Their module is imported only
when the command is called, so that `kinevla --help` and the data commands never wait for torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from kinevla import __version__


@dataclass(frozen=True)
class Command:
    """Where a command lives.

    Attributes:
        words: what the user types.
        module: module holding it.
        args: name of its options dataclass.
        run: name of its function.
        summary: one line for the help text.
    """

    words: tuple[str, ...]
    module: str
    args: str
    run: str
    summary: str


COMMANDS: tuple[Command, ...] = (
    Command(
        ("data", "generate"),
        "kinevla.cli.data_commands",
        "GenerateArgs",
        "run_generate",
        "record demonstrations of the scripted expert in the simulator",
    ),
    Command(
        ("data", "views"),
        "kinevla.cli.data_commands",
        "ViewsArgs",
        "run_views",
        "render random scenes with keypoints for teaching the vision",
    ),
    Command(
        ("tokenizer", "train"),
        "kinevla.cli.tokenizer_commands",
        "TrainArgs",
        "run_train",
        "train the bi-level action tokeniser",
    ),
    Command(
        ("tokenizer", "report"),
        "kinevla.cli.tokenizer_commands",
        "ReportArgs",
        "run_report",
        "measure a tokeniser on held-out episodes",
    ),
    Command(
        ("vision", "train"),
        "kinevla.training.cli_commands",
        "VisionTrainArgs",
        "run_vision_train",
        "teach the vision where things are",
    ),
    Command(
        ("train",),
        "kinevla.training.cli_commands",
        "PolicyTrainArgs",
        "run_policy_train",
        "train the policy",
    ),
)


def help_text() -> str:
    """List all commands."""
    width = max(len(" ".join(command.words)) for command in COMMANDS)
    lines = [f"  {' '.join(command.words):<{width}}  {command.summary}" for command in COMMANDS]
    return "\n".join(
        [
            "usage: kinevla COMMAND [OPTIONS]",
            "",
            "commands:",
            *lines,
            "",
            "kinevla COMMAND --help lists the options of a command. All can be stopped and run again.",
        ]
    )


def find_command(words: Sequence[str]) -> Command | None:
    """Return the command the line begins with, or None."""
    matches = [command for command in COMMANDS if tuple(words[: len(command.words)]) == command.words]
    return max(matches, key=lambda command: len(command.words), default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 wrong usage, 3 not finished."""
    line = list(sys.argv[1:] if argv is None else argv)
    if not line or line[0] in ("-h", "--help"):
        print(help_text())
        return 0 if line else 2
    if line[0] == "--version":
        print(f"kinevla {__version__}")
        return 0
    command = find_command(line)
    if command is None:
        group = [c for c in COMMANDS if c.words[0] == line[0]]
        if group and (len(line) == 1 or line[1] in ("-h", "--help")):
            print("\n".join(f"kinevla {' '.join(c.words)}: {c.summary}" for c in group))
            return 0 if len(line) > 1 else 2
        known = ", ".join(" ".join(c.words) for c in COMMANDS)
        print(f"kinevla: unknown command {' '.join(line[:2])!r}, choose from: {known}", file=sys.stderr)
        return 2
    import tyro

    module = importlib.import_module(command.module)
    args = tyro.cli(
        getattr(module, command.args),
        args=line[len(command.words) :],
        prog=f"kinevla {' '.join(command.words)}",
        description=command.summary,
    )
    try:
        return int(getattr(module, command.run)(args))
    except (ValueError, RuntimeError, OSError) as error:
        print(f"kinevla {' '.join(command.words)}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
