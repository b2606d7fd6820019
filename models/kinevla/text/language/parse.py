"""Takes sentences and reasoning texts of the language apart again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from kinevla.text.instruction import normalised
from kinevla.text.language.instruction import (
    CATALOGUE,
    SIDES,
    Displacement,
    Instruction,
    LanguageError,
    Orientation,
    Path,
    Target,
)
from kinevla.text.language.say import FORMS, paper_texts, write_goal

_THINGS = {word: name for name, kind in CATALOGUE.items() for word in kind["words"]}
_NUMBER = "|".join([r"\d+", *sorted(FORMS["numbers"], key=len, reverse=True)])
_SLOTS = {
    "other": "|".join(sorted(_THINGS, key=len, reverse=True)),
    "n": _NUMBER,
    "a": "|".join(SIDES),
    "b": "|".join(SIDES),
    "side": "|".join(SIDES),
}

Found = tuple[str, Any]
"""Name of a field of `Instruction`, its value."""


class _Phrase(NamedTuple):
    """A phrase of the language and what it is listed under."""

    pattern: re.Pattern[str]  # finds it
    group: str  # entry of `FORMS`
    name: str  # entry within the group


def parse_sentence(sentence: str) -> Instruction:
    """Return what a sentence asks for.

    The longest phrases of the language are taken out one after the other; what is left must be a plain
    command about a thing.

    Raises:
        LanguageError: words that mean nothing in the language, something said twice, or a sense that the
            language does not have.
    """
    rest, fields = normalised(sentence), dict[str, Any]()
    parts = list[str]()
    while (hit := _longest(rest)) is not None:
        match, (field, value) = hit
        rest = f"{rest[: match.start()]}|{rest[match.end() :]}"
        if field == "held":
            parts.append(value)
            continue
        if field in fields:
            raise LanguageError(f"{sentence!r} says twice how or where to: {match[0]!r}")
        fields[field] = value
    rest = " ".join(re.sub(r"[|,]", " ", rest).split())
    found = _command().fullmatch(rest)
    if found is None:
        raise LanguageError(f"{sentence!r} is not understood at {rest!r}")
    thing = _THINGS[found["thing"]]
    if len(parts) > 1:
        raise LanguageError(f"{sentence!r} names two parts: {' and '.join(parts)}")
    if parts:
        fields["part"] = _part(thing, parts[0])
    return Instruction(thing, contact="push" if found["push"] else "pick", **fields)


def parse_texts(goal: str, kinematics: str) -> Instruction:
    """Return the instruction that a goal text and a kinematics text stand for.

    Raises:
        LanguageError: texts that the language does not write, or that contradict each other.
    """
    for instruction, task in paper_texts().items():
        if (goal, kinematics) == (task.coarse, task.fine):
            return instruction
    form = r"Robot Action: (.+)\. Object Targeting: (.+)\."
    if (whole := re.fullmatch(form, kinematics)) is None:
        raise LanguageError(f"{kinematics!r} is no text of the language")
    fields = dict[str, Any]()
    stated = [item.partition(" - ") for item in "; ".join(whole.groups()).split("; ")]
    told = {name: value[:1].lower() + value[1:] for name, _, value in stated}
    for name in ("Trajectory Shape", "Speed", "Spatial Relation", "Final Orientation"):
        if name in told:
            hit = _longest(told[name])
            if hit is None or hit[0][0] != told[name]:
                raise LanguageError(f"{name} {told[name]!r} is nothing the language writes")
            fields[hit[1][0]] = hit[1][1]
    thing = told.get("Target Object", "").removeprefix("the ")
    if "Target Part" in told:
        fields["part"] = told["Target Part"].removeprefix("the ")
    contact = {"push": "push", "pick up": "pick"}.get(told.get("Contact", ""), "")
    instruction = Instruction(thing, contact=contact, **fields)  # type: ignore[arg-type]
    if write_goal(instruction) != goal:
        raise LanguageError(f"the goal {goal!r} contradicts {kinematics!r}")
    return instruction


def _longest(text: str) -> tuple[re.Match[str], Found] | None:
    """Return the longest phrase of the language in a text, and what it says."""
    hits = [(match, phrase) for phrase in _phrases() for match in phrase.pattern.finditer(text)]
    if not hits:
        return None
    match, phrase = max(hits, key=lambda hit: len(hit[0][0]))
    return match, _meaning(match, phrase)


def _meaning(match: re.Match[str], phrase: _Phrase) -> Found:
    group, name = phrase.group, phrase.name
    if group in ("plate", "beside", "region"):
        return "target", Target(group, name, _other(match))  # type: ignore[arg-type]
    if group == "displacement":
        return group, Displacement(name, _number(match["n"]))  # type: ignore[arg-type]
    if group == "path":
        return group, Path(name, _other(match), _legs(match))  # type: ignore[arg-type]
    if group in ("pointing", "label"):
        return "orientation", Orientation(group, match["side"])  # type: ignore[arg-type]
    if group == "turned":
        return "orientation", Orientation("turned", None, _turn(match, name))
    return group, name


@cache
def _phrases() -> tuple[_Phrase, ...]:
    return tuple(_Phrase(_pattern(phrase), group, name) for group, name, phrase in _listed())


def _listed() -> Iterator[tuple[str, str, str]]:
    for group in ("plate", "beside", "region", "displacement", "path", "turned", "speed"):
        for name, phrases in FORMS[group].items():
            for phrase in phrases:
                yield group, name, phrase
    for group in ("pointing", "label"):
        for phrase in FORMS[group]:
            yield group, "", phrase
    words = {word for kind in CATALOGUE.values() for part in kind["parts"].values() for word in part}
    for phrase in (*FORMS["part"], *FORMS["held"]):
        for word in sorted(words):
            yield "held", word, phrase.format(part=word)


def _pattern(phrase: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", phrase)
    for index in range(0, len(pieces), 2):
        pieces[index] = re.escape(pieces[index])
    for index in range(1, len(pieces), 2):
        pieces[index] = f"(?P<{pieces[index]}>{_SLOTS[pieces[index]]})"
    return re.compile(rf"(?<![\w-]){''.join(pieces)}(?![\w-])")


@cache
def _command() -> re.Pattern[str]:
    things = "|".join(sorted(_THINGS, key=len, reverse=True))
    pick, put, push = ("|".join(FORMS[name]) for name in ("pick", "put", "push"))
    return re.compile(
        rf"(?:please )?(?:(?P<push>{push})|{pick}|{put}) the (?P<thing>{things})"
        rf"(?: (?:and )?(?:then )?(?:{put}) it)?"
    )


def _other(match: re.Match[str]) -> str | None:
    found = match.groupdict().get("other")
    return None if found is None else _THINGS[found]


def _legs(match: re.Match[str]) -> tuple[Any, ...]:
    groups = match.groupdict()
    return (groups["a"], groups["b"]) if "a" in groups else ()


def _turn(match: re.Match[str], sense: str) -> int:
    if sense == "around":
        return 180
    turn = _number(match["n"])
    return turn if sense == "left" or turn == 180 else -turn


def _number(word: str) -> int:
    return int(word) if word.isdigit() else FORMS["numbers"].index(word)


def _part(thing: str, word: str) -> str:
    parts = CATALOGUE[thing]["parts"]
    for part, words in parts.items():
        if word in words:
            return str(part)
    raise LanguageError(f"part {word!r} of the {thing} is none of {', '.join(parts) or 'none'}")
