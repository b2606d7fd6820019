"""Reads the options of a command: tyro over its dataclass, plus --json and --preset, errors in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from kinevla.cli.command import Command, Exit, UsageError
from kinevla.cli.presets import PRESETS

_BORDERS = str.maketrans("", "", "╭╮╰╯│")


@dataclass(frozen=True)
class Request:
    """A command line that was understood."""

    args: Any  # the command's options
    as_json: bool  # figures go to stdout as JSON


def read_line(command: Command, line: Sequence[str]) -> Request:
    """Read what follows the command's words.

    Raises:
        UsageError: unknown options, missing or bad values, unknown preset; one line.
        SystemExit: status 0 after --help.
    """
    import tyro

    options: Any = command.load()[0]
    fields: list[tuple[str, Any, Any]] = []
    default: Any = dataclasses.MISSING
    preset, source = None, None
    if command.has_presets:
        preset, source = _preset_name(line), PRESETS[command.name]
        if preset is not None:
            try:
                default = source.default(preset)
            except ValueError as error:
                raise UsageError(str(error)) from error
        text = "Named settings to start from (kinevla config list)."
        fields.append(("preset", Annotated[str | None, tyro.conf.arg(help=text)], preset))
    kind = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help="Print figures as JSON.")]
    fields.append(("json", kind, False))
    wrapper = dataclasses.make_dataclass(
        "Options",
        [
            ("options", Annotated[options, tyro.conf.arg(name="")], dataclasses.field(default=default)),
            *((name, kind, dataclasses.field(default=value)) for name, kind, value in fields),
        ],
        frozen=True,
    )
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            parsed: Any = tyro.cli(
                wrapper,
                args=list(line),
                prog=f"kinevla {command.name}",
                description=_description(command),
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise UsageError(one_line(errors.getvalue())) from None
    except ValueError as error:
        raise UsageError(str(error)) from error
    sys.stderr.write(errors.getvalue())
    if preset is not None and source is not None:
        source.check(preset, parsed.options)
    return Request(parsed.options, parsed.json)


def _preset_name(line: Sequence[str]) -> str | None:
    """Return the word after --preset; tyro reads the line later, with that preset's values as defaults."""
    name: str | None = None
    for position, word in enumerate(line):
        if word == "--preset":
            if position + 1 == len(line):
                raise UsageError("--preset needs a name (kinevla config list)")
            name = line[position + 1]
        elif word.startswith("--preset="):
            name = word.partition("=")[2]
    return name


def _description(command: Command) -> str:
    examples = (f"  {example}" for example in command.examples)
    codes = ", ".join(f"{code.value} {code.name.lower()}" for code in Exit)
    return "\n".join([f"{command.summary}.", "", "Examples:", *examples, "", f"Exit status: {codes}."])


def one_line(box: str) -> str:
    """Turn the framed message of tyro into one line."""
    rows = [row.translate(_BORDERS).strip() for row in box.splitlines()]
    # The first row is only a title; rules separate what is wrong from what helps.
    blocks: list[list[str]] = [[]]
    for row in rows[1:]:
        if re.fullmatch(r"─+|-{4,}", row):
            blocks.append([])
        elif row:
            blocks[-1].append(row)
    blocks = [block for block in blocks if block] or [[]]
    message = " ".join(blocks[0])
    if message.startswith("Missing from"):
        names = [row.split()[0].split(",")[0] for row in blocks[0] if row.startswith("--")]
        return f"missing required options: {', '.join(names)}"
    for block in blocks[1:]:
        if block[0].startswith("Perhaps you meant"):
            guess = next((row.split()[0] for row in block if row.startswith("--")), None)
            message += f" (perhaps {guess}?)" if guess else ""
    message = re.sub(r"^Error parsing( options:)?\s*", "", message)
    return message or " ".join(box.split())
