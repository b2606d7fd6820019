"""Entry point of `kinevla`: finds the command, reads its options, runs it, prints what it found out.

To add a command, add an entry to `COMMANDS`, and its options and function to the module of its group (see
`Command`). `kinevla --help` and the data commands never wait for torch.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from kinevla import __version__
from kinevla.bounded import printable
from kinevla.cli.command import EXIT_MEANING, Command, Exit, UsageError
from kinevla.cli.parse import Request, read_line
from kinevla.configs.registry import UnknownNameError
from kinevla.plain import to_plain
from kinevla.streams import print_every_letter

MAX_ERROR_CHARS = 4000
COMMANDS: tuple[Command, ...] = (
    Command(
        "data generate",
        "record demonstrations of the scripted expert in the simulator",
        ("kinevla data generate --out .data/demos --episodes-per-task 70 --max-minutes 30",),
        goes_on=True,
    ),
    Command(
        "data convert",
        "turn recordings of the arm (rosbag2) into episodes",
        ("kinevla data convert recordings/ --out .data/real",),
        goes_on=True,
    ),
    Command(
        "data audit",
        "judge recordings or data sets: rates, gaps, drops, stamps",
        ("kinevla data audit recordings/",),
    ),
    Command(
        "data stats",
        "print ranges, lengths and counts of a data set",
        ("kinevla data stats .data/real --json",),
    ),
    Command(
        "data split",
        "write down which episodes are held out",
        ("kinevla data split .data/real --val-percent 10",),
    ),
    Command(
        "data merge",
        "make one data set of several",
        ("kinevla data merge .data/demos .data/real --out .data/all",),
    ),
    Command(
        "data show",
        "draw an episode as a picture or a film",
        ("kinevla data show .data/real --out episode.png --episode 3",),
    ),
    Command(
        "data export lerobot",
        "export a data set to the LeRobotDataset format v3.0",
        ("kinevla data export lerobot .data/real --out .data/lerobot --store lossless",),
    ),
    Command(
        "data import libero",
        "import LIBERO's demonstrations with relabelled texts",
        ("kinevla data import libero libero_goal/ --out .data/libero",),
        goes_on=True,
    ),
    Command(
        "data annotate",
        "write the reasoning texts of new instructions",
        ('kinevla data annotate "pick up the cup and move it to the left"',),
    ),
    Command(
        "tokenizer train",
        "train an action tokeniser",
        (
            "kinevla tokenizer train --data .data/demos --out .data/tokenizer --max-minutes 8",
            "kinevla tokenizer train --data .data/demos --out .data/bins --preset bins",
        ),
        goes_on=True,
        has_presets=True,
    ),
    Command(
        "tokenizer report",
        "measure a tokeniser on held-out episodes",
        ("kinevla tokenizer report --tokenizer .data/tokenizer --data .data/demos --json",),
    ),
    Command(
        "tokenizer compare",
        "compare bi-level and single-level tokenisers on several seeds",
        ("kinevla tokenizer compare --data .data/demos --out .data/tokenizers --seeds 3",),
        goes_on=True,
    ),
    Command(
        "train",
        "train the policy, the small one or from a base checkpoint",
        (
            "kinevla train --data .data/demos --tokenizer .data/tokenizer --out .data/policy",
            "kinevla train --preset bi-rea --decoder.layers 6 --data .data/demos --tokenizer .data/tokenizer "
            "--out .data/bi-rea",
        ),
        goes_on=True,
        has_presets=True,
    ),
    Command(
        "evaluate",
        "judge a policy in closed loop, goal and kinematics apart",
        ("kinevla evaluate --checkpoint .data/policy/best --out .data/evaluation --control all",),
        goes_on=True,
    ),
    Command(
        "bench",
        "time a plan, greedy against reuse, and what its parts take",
        (
            "kinevla bench --checkpoint models/checkpoints/nano --threads 2 --json",
            "kinevla bench --config 7b --device cuda --precision bf16 --compile",
        ),
    ),
    Command(
        "recipe check",
        "dry-run a training of full size: parameters, shapes, memory",
        ("kinevla recipe check paper_openvla7b --json",),
    ),
    Command(
        "checkpoint convert",
        "store a checkpoint in another precision or in smaller files",
        ("kinevla checkpoint convert .data/policy/best --out .data/small --shard-mib 16",),
    ),
    Command(
        "config list",
        "list the named model sizes, tokenisers and trainings",
        ("kinevla config list --kind training",),
    ),
    Command(
        "config show",
        "print every value of a named configuration",
        ("kinevla config show bi-rea --json",),
    ),
    Command(
        "manifest check",
        "check the files of a result against its manifest",
        ("kinevla manifest check .data/policy/best --against .data/demos .data/tokenizer",),
    ),
    Command(
        "manifest show",
        "print what a result was made from",
        ("kinevla manifest show .data/policy/best",),
    ),
)
GROUPS: dict[str, str] = {
    "data": "demonstrations",
    "tokenizer": "chunks of motion to codes and back",
    "train": "the policy",
    "evaluate": "success in the simulator",
    "bench": "speed",
    "recipe": "runs of full size, written down",
    "checkpoint": "trained policies on disk",
    "config": "named configurations",
    "manifest": "hashes of a result and of what made it",
}
_FIRST_STEPS = ("data generate", "tokenizer train", "train", "evaluate")


def help_text() -> str:
    """List all commands by group, with examples and exit statuses."""
    width = max(len(command.name) for command in COMMANDS)
    lines = ["usage: kinevla COMMAND [OPTIONS]"]
    for group in dict.fromkeys(command.words[0] for command in COMMANDS):
        lines += ["", f"{group}: {GROUPS[group]}" if group in GROUPS else group]
        members = [command for command in COMMANDS if command.words[0] == group]
        lines += [f"  {command.name:<{width}}  {command.summary}" for command in members]
    lines += ["", "examples, from nothing to a policy:"]
    by_name = {command.name: command for command in COMMANDS}
    lines += [f"  {by_name[name].examples[0]}" for name in _FIRST_STEPS]
    lines += ["", "exit status:"]
    lines += [f"  {code.value:<4} {meaning}" for code, meaning in EXIT_MEANING.items()]
    lines += [
        "",
        "kinevla COMMAND --help lists options, defaults and units. --json prints figures as JSON on stdout;",
        "progress and logs go to stderr. Whatever takes long can be stopped and run again.",
    ]
    return "\n".join(lines)


def find_command(words: Sequence[str]) -> Command | None:
    """Return the command the line begins with, or None."""
    matches = [command for command in COMMANDS if tuple(words[: len(command.words)]) == command.words]
    return max(matches, key=lambda command: len(command.words), default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status (see `EXIT_MEANING`)."""
    print_every_letter()
    line = list(sys.argv[1:] if argv is None else argv)
    if not line or line[0] in ("-h", "--help"):
        print(help_text())
        return Exit.DONE if line else Exit.USAGE
    if line[0] == "--version":
        print(f"kinevla {__version__}")
        return Exit.DONE
    command = find_command(line)
    if command is None:
        return _no_command(line)
    # Threads that spin while they wait stall each other for minutes when another program needs a core. The
    # choice is read once, when the tensor library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        request = read_line(command, line[len(command.words) :])
    except UsageError as error:
        print(f"kinevla {command.name}: {error} (see kinevla {command.name} --help)", file=sys.stderr)
        return Exit.USAGE
    except ImportError as error:
        print(f"kinevla {command.name}: {_one_line(error)}", file=sys.stderr)
        return Exit.FAILED
    except KeyboardInterrupt:
        print("stopped before anything was done", file=sys.stderr)
        return Exit.INTERRUPTED
    return run_request(command, request)


def _one_line(error: Exception) -> str:
    text = printable(" ".join(str(error).split()), MAX_ERROR_CHARS)
    if isinstance(error, ModuleNotFoundError) and error.name:
        text += f": install '{error.name.partition('.')[0]}' for {sys.executable}"
    return text


def run_request(command: Command, request: Request) -> int:
    """Run a command that was understood, print what it found out, and return its exit status."""
    # With --json nothing but the JSON may reach stdout, whatever a library prints.
    quiet = contextlib.redirect_stdout(sys.stderr) if request.as_json else contextlib.nullcontext()
    try:
        with quiet:
            result = command.load()[1](request.args)
    except KeyboardInterrupt:
        how = "to go on" if command.goes_on else "to start anew, nothing was kept"
        print(f"stopped; run the same command again {how}", file=sys.stderr)
        return Exit.INTERRUPTED
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"kinevla {command.name}: {_one_line(error)}", file=sys.stderr)
        return Exit.USAGE if isinstance(error, UnknownNameError | UsageError) else Exit.FAILED
    if request.as_json:
        _print(json.dumps(_finite(to_plain(result.figures)), ensure_ascii=False, allow_nan=False))
    elif result.text:
        _print(result.text)
    return int(result.code)


def _print(text: str) -> None:
    """Print to stdout; a reader that stopped reading (kinevla ... | head) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for (infinities, NaN) by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _no_command(line: Sequence[str]) -> int:
    group = [command for command in COMMANDS if command.words[0] == line[0]]
    if group and (len(line) == 1 or line[1] in ("-h", "--help")):
        print("\n".join(f"kinevla {command.name}: {command.summary}" for command in group))
        return Exit.DONE if len(line) > 1 else Exit.USAGE
    known = ", ".join(command.name for command in COMMANDS)
    print(f"kinevla: unknown command {' '.join(line[:2])!r}, choose from: {known}", file=sys.stderr)
    return Exit.USAGE


if __name__ == "__main__":
    sys.exit(main())
