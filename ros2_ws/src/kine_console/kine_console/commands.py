"""What a viewer may ask for: names, fields and bounds of the commands."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class CommandError(ValueError):
    """A request that is no command; the text names the field and its bound."""


@dataclass(frozen=True)
class Kind:
    """One command.

    Attributes:
        name: as in the request.
        texts: largest length of each text field; a field that is not given is empty.
        required: text fields that must not be empty.
        choices: allowed values of fields that are a choice.
        numbers: whole numbers from 0, with the largest allowed.
        timeout_s: how long its answer may take.
    """

    name: str
    texts: Mapping[str, int] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    timeout_s: float = 10.0


STOP = "stop"
CHECK_TOKEN = "check_token"
VERDICTS = ("unknown", "success", "failure")
"""In the order of the numbers in `kine_msgs/srv/StopEpisode`."""

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(STOP, timeout_s=3.0),
        Kind("end_instruction"),
        Kind("enable"),
        Kind("reset", timeout_s=15.0),
        Kind("disable"),
        Kind("home", timeout_s=60.0),  # answered when the arm has arrived
        Kind("instruct", {"text": 200}, ("text",)),
        # An empty text: as proposed. The number is that of the plan the operator saw.
        Kind("approve", {"kinematics": 1000}, numbers={"instruction_id": 2**53}),
        Kind(
            "record_start",
            {"instruction": 200, "goal": 1000, "kinematics": 1000, "operator": 100},
            ("instruction",),
        ),
        Kind("record_stop", {"note": 1000}, choices={"verdict": VERDICTS}, timeout_s=30.0),
        Kind("record_discard", {"reason": 1000}, timeout_s=30.0),
    )
}


@dataclass(frozen=True)
class Command:
    """A checked command."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Its row of `KINDS`."""
        return KINDS[self.name]


@dataclass(frozen=True)
class Answer:
    """What became of a command."""

    ok: bool
    message: str


def parse(name: object, arguments: object) -> Command:
    """The command in a request.

    Raises:
        CommandError: unknown name or field, wrong type, too long, empty, or with control characters.
    """
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise CommandError(f"command {str(name)[:40]!r} is unknown: one of {', '.join(KINDS)}")
    if not isinstance(arguments, dict):
        raise CommandError(f"{kind.name}: the arguments must be an object")
    known = {*kind.texts, *kind.choices, *kind.numbers}
    unknown = [str(key)[:40] for key in arguments if key not in known]
    if unknown:
        raise CommandError(f"{kind.name}: unknown argument {', '.join(unknown)}")
    values: dict[str, Any] = {
        key: _text(kind.name, key, arguments.get(key, ""), most) for key, most in kind.texts.items()
    }
    for key in kind.required:
        if not values[key]:
            raise CommandError(f"{kind.name}: {key} is empty")
    for key, allowed in kind.choices.items():
        value = arguments.get(key)
        if value not in allowed:
            raise CommandError(f"{kind.name}: {key} is {str(value)[:40]!r}, must be {' or '.join(allowed)}")
        values[key] = value
    for key, most in kind.numbers.items():
        value = arguments.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise CommandError(f"{kind.name}: {key} is {str(value)[:40]!r}, must be a number 0..{most}")
        values[key] = value
    return Command(kind.name, values)


def _text(command: str, key: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise CommandError(f"{command}: {key} must be a text, got {type(value).__name__}")
    text = value.strip()
    if len(text) > most:
        raise CommandError(f"{command}: {key} has {len(text)} characters, at most {most} are allowed")
    for position, character in enumerate(text):
        if unicodedata.category(character).startswith("C"):
            raise CommandError(f"{command}: {key} holds U+{ord(character):04X} at position {position}")
    return text
