"""What a command of `kinevla` is: where it lives, what it gives back, with which status it ends."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit status of every command; `EXIT_MEANING` says what each tells."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNFINISHED = 3
    INTERRUPTED = 130


EXIT_MEANING: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "failed: one line on stderr says what, with value and bound",
    Exit.USAGE: "wrong usage: unknown command, option, preset or a value out of bounds",
    Exit.UNFINISHED: "not finished: what is there is kept, the same command goes on",
    Exit.INTERRUPTED: "interrupted (Ctrl-C): run the same command again, it goes on or starts anew",
}


class UsageError(ValueError):
    """A command line that cannot be run; the text is one line."""


@dataclass(frozen=True)
class Command:
    """A command, found by its name: `data split` is `SplitArgs` and `run_split` of `cli.data_commands`.

    The options are a frozen dataclass read by tyro (docstrings become help); the function takes them and
    returns an `Outcome`. Their module is imported only when the command is called.
    """

    name: str  # what the user types
    summary: str  # one line for the help text
    examples: tuple[str, ...]  # command lines, shown by --help and checked against the options by a test
    # after Ctrl-C the same command goes on where it stopped; else it has left nothing behind
    goes_on: bool = False
    has_presets: bool = False  # it takes --preset (see `presets.PRESETS`)

    @property
    def words(self) -> tuple[str, ...]:
        """What the user types, word by word."""
        return tuple(self.name.split())

    def load(self) -> tuple[type[Any], Callable[[Any], Outcome]]:
        """Import the class of its options and its function."""
        *group, name = self.words
        module = importlib.import_module(f"kinevla.cli.{'_'.join(group or [name])}_commands")
        return getattr(module, f"{name.capitalize()}Args"), getattr(module, f"run_{name}")


@dataclass(frozen=True)
class Outcome:
    """What a command found out."""

    text: str  # for people; printed to stdout without --json
    # the same as plain values; printed to stdout as JSON with --json
    figures: Mapping[str, Any] = field(default_factory=dict)
    code: int = Exit.DONE
