"""Other ways to say an instruction, drawn for training: one meaning, many sentences.

A pretrained encoder reads sentences, but what the words of a task are for has to be shown. An instruction
is taken
apart into thing, part and place where it has the form of the paper's table-top tasks; anything else is
taught with the words it came with. Sentences that mean nothing the policy could do are drawn as well, with
what is unclear about them (see `unclear`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

_PART = re.compile(
    r"^hold the (?P<thing>\w+) by the (?P<part>upper|lower) part "
    r"and place it on the (?P<side>left|right) side of the (?P<base>\w+)$"
)
_REGION = re.compile(
    r"^pick up the (?P<thing>\w+) and move it to the (?P<region>left front|right front|front)$"
)
# Words and sentence forms by what they stand for; how often one is listed is how often it is drawn.
_FORMS: dict[str, Any] = json.loads(
    resources.files("kinevla.text").joinpath("wordings.json").read_text(encoding="utf-8")
)

WORDINGS = 5000
"""How many numbered wordings of an instruction there are."""

_FRAME_SHARE = 0.4
"""Share of wordings in a frame that somebody wrote as a whole, rather than put together from parts."""

_HURRIED_SHARE = 0.1
"""Share of wordings without articles, as they are typed in a hurry."""


@dataclass(frozen=True)
class Meaning:
    """What an instruction of the table-top form asks for."""

    thing: str  # what is moved
    place: str  # 'left', 'right' (side of the base), or a region
    part: str | None = None  # 'upper', 'lower' or the words for another part, None where it is not said
    base: str | None = None  # what it is put on, None for the table


def meaning_of(instruction: str) -> Meaning | None:
    """Take an instruction apart; None where it has another form."""
    if found := _PART.match(instruction):
        return Meaning(found["thing"], found["side"], found["part"], found["base"])
    if found := _REGION.match(instruction):
        return Meaning(found["thing"], found["region"])
    return None


def draw_wording(instruction: str, rng: np.random.Generator) -> str:
    """Say an instruction in one of its ways; an unknown form is said as it is."""
    meaning = meaning_of(instruction)
    return instruction if meaning is None else say(meaning, rng)


def numbered_wording(instruction: str, number: int) -> str:
    """Return a numbered wording of an instruction, counted round; number 0 is the instruction itself."""
    number %= WORDINGS
    return (
        draw_wording(instruction, np.random.default_rng([number, len(instruction)]))
        if number
        else instruction
    )


def say(meaning: Meaning, rng: np.random.Generator) -> str:
    """Say a meaning in one of its ways."""
    forms = _FORMS
    thing = choose(rng, forms["things"].get(meaning.thing, [meaning.thing]))
    source = "frames" if rng.random() < _FRAME_SHARE else "forms"
    words = {
        name: choose(rng, forms[name]) for name in ("pick", "hold", "put", "held", "placed", "then", "at")
    } | {"t": f"the {thing}", "thing": thing}
    if meaning.part is None:
        form = choose(rng, forms[f"{source}_with_region"])
        where = {name: choose(rng, forms[name]) for name in ("to", "area")}
        words["r"] = choose(rng, forms["regions"][meaning.place]).format(**where)
    else:
        form = choose(rng, forms[f"{source}_with_part"])
        part = choose(rng, forms["parts"].get(meaning.part, [meaning.part]))
        words["p"] = f"{choose(rng, ('the', 'the', 'its'))} {part}"
        base = choose(rng, forms["bases"].get(meaning.base, [meaning.base]))
        words["s"] = choose(rng, forms["sides"]).format(s=meaning.place, b=base)
        words |= {"part": part, "side": meaning.place, "base": base}
    sentence = form.format(**words)
    if form.startswith(("{pick}", "{hold}", "{put}", "use", "take")):
        sentence = choose(rng, forms["before"]) + sentence + choose(rng, forms["after"])
    if rng.random() < _HURRIED_SHARE:
        sentence = sentence.replace("the ", "")
    return " ".join(sentence.split())


def choose(rng: np.random.Generator, choices: Sequence[str | None]) -> str:
    """Draw one of some texts."""
    return str(choices[int(rng.integers(len(choices)))])
