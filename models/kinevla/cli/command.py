"""What a command of `kinevla` is: where it lives, what it gives back, with which status it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit status of every command."""

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
    """Where a command lives.

    Attributes:
        module: module holding it; imported only when the command is called.
        args: name of its options dataclass, read by tyro (docstrings become help).
        run: name of its function: takes the options, returns an `Outcome` or an exit status.
        summary: one line for the help text.
        examples: command lines, shown by --help and checked against the options by a test.
        presets: 'module:class' of the `PresetSource` behind --preset; '' for none.
        goes_on: after Ctrl-C the same command goes on where it stopped; else it has left nothing behind.
    """

    words: tuple[str, ...]
    module: str
    args: str
    run: str
    summary: str
    examples: tuple[str, ...] = ()
    presets: str = ""
    goes_on: bool = False

    @property
    def name(self) -> str:
        """What the user types, in one string."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Outcome:
    """What a command found out.

    Attributes:
        text: for people; printed to stdout without --json.
        figures: the same as plain values; printed to stdout as JSON with --json.
    """

    text: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    code: int = Exit.DONE
