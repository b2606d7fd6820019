"""Sentences beside the language that must be refused, drawn for training, and what is written about them.

They are sentences of the language made impossible or contradictory, or other talk. None is one of those that
are tested (`tested.json`), and none means anything in the language.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

import numpy as np

from kinevla.text.instruction import normalised
from kinevla.text.language.instruction import CATALOGUE, DISTANCE_CM, SIDES, Instruction, LanguageError
from kinevla.text.language.parse import parse_sentence
from kinevla.text.language.say import FORMS, say
from kinevla.text.language.splits import draw_seen
from kinevla.text.language.wording import understood
from kinevla.text.unclear import UNCLEAR, UNCLEAR_FORMS
from kinevla.text.wordings import choose

_MAX_CM = 100
_AGAINST = (("high", "low"), ("straight", "diagonal"))
"""Paths of which a thing takes one at most."""
_WORDS = {word for kind in CATALOGUE.values() for word in kind["words"]}
_THINGS = [thing for thing in UNCLEAR_FORMS["things"] if thing not in _WORDS]
_CAN = ("push", "slide", "drag", "shove", "pull", "rotate", "spin", "roll", "poke", "push away", "turn over")
_ACTIONS = [action for action in UNCLEAR_FORMS["actions"] if action not in _CAN]
"""What is no way to move a thing; the others are other words for pushing and turning, or near to it."""
_OUTSIDE = [place for place in UNCLEAR_FORMS["places"] if " of the plate" not in place]
_PLACES = [way for places in (FORMS["plate"], FORMS["region"]) for ways in places.values() for way in ways]


def draw_refused(instructions: Sequence[str], rng: np.random.Generator) -> tuple[str, str]:
    """Draw a sentence that means nothing in the language, and the text about it.

    Args:
        instructions: sentences of the data set; in place of one that is not of the language another is drawn.

    Returns:
        The sentence and one of `UNCLEAR`.
    """
    while True:
        try:
            instruction = understood(choose(rng, instructions))
        except LanguageError:
            instruction = draw_seen(rng)
        sentence, kind = _drawn(instruction, rng)
        if digest(sentence) not in tested() and not _means_something(sentence):
            return sentence, UNCLEAR[kind]


def digest(sentence: str) -> str:
    """Return what `tested.json` holds of a sentence: the head of the SHA-256 of its normalised form."""
    return hashlib.sha256(normalised(sentence).encode()).hexdigest()[:12]


@cache
def tested() -> frozenset[str]:
    """Digests of the frozen sentences that are only ever tested."""
    text = resources.files("kinevla.text.language").joinpath("tested.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text))


def _drawn(asked: Instruction, rng: np.random.Generator) -> tuple[str, str]:
    """Return a sentence and the name of what is unclear about it."""
    sentence = say(asked, rng)
    kind = int(rng.integers(14))
    if kind < 3:
        return _talk(sentence, rng, kind), "sentence"
    if kind < 5:
        return choose(rng, UNCLEAR_FORMS[("negations", "questions")[kind - 3]]).format(x=sentence), "action"
    thing = choose(rng, CATALOGUE[asked.thing]["words"])
    if kind == 5:
        end = "" if rng.random() < 0.4 else " " + choose(rng, _PLACES)
        return f"{choose(rng, _ACTIONS)} the {thing}{end}", "action"
    if kind < 8:
        return _unknown_thing(sentence, thing, rng), "thing"
    put = f"{choose(rng, (*FORMS['put'], *FORMS['push']))} the {thing}"
    if kind == 8:
        return f"{put} {choose(rng, ('', *_OUTSIDE))}".strip(), "place"
    if kind == 9:
        low, high = DISTANCE_CM
        far = int(rng.integers(high + 1, _MAX_CM)) if rng.random() < 0.7 else int(rng.integers(low))
        return f"{put} {choose(rng, FORMS['displacement'][choose(rng, SIDES)]).format(n=far)}", "place"
    if kind == 10:
        if rng.random() < 0.5:
            return f"{put} {choose(rng, FORMS['beside'][choose(rng, SIDES)]).format(other=thing)}", "place"
        return f"{sentence} {_joined(rng)} {choose(rng, _other_places(asked))}", "place"
    if kind == 11:
        return _odd_part(asked, thing, rng), "part"
    return _twice(asked, rng), "action"


def _talk(sentence: str, rng: np.random.Generator, kind: int) -> str:
    words = sentence.split()
    if kind == 0:
        return choose(rng, UNCLEAR_FORMS["talk"])
    if kind == 1:
        rng.shuffle(words)
        return " ".join(words[: int(rng.integers(1, len(words) + 1))])
    return " ".join(choose(rng, words) for _ in range(int(rng.integers(1, 9))))


def _unknown_thing(sentence: str, thing: str, rng: np.random.Generator) -> str:
    """Name a thing that the language does not have, as what is moved or as what is gone to."""
    other = choose(rng, _THINGS)
    if rng.random() < 0.3:
        where = choose(rng, FORMS["beside"][choose(rng, SIDES)]).format(other=other)
        return f"{choose(rng, FORMS['put'])} the {thing} {where}"
    named = [f"the {word}" for word in sorted(_WORDS) if f"the {word} " in f"{sentence} ".replace(",", " ")]
    return sentence.replace(named[0], f"the {other}", 1) if named else f"pick up the {other}"


def _other_places(asked: Instruction) -> list[str]:
    own = asked.target.place if asked.target is not None else ""
    groups = (FORMS["plate"], FORMS["region"])
    return [way for places in groups for place, ways in places.items() if place != own for way in ways]


def _odd_part(asked: Instruction, thing: str, rng: np.random.Generator) -> str:
    """Name a part of another thing, a part that nothing has, or two parts."""
    own = CATALOGUE[asked.thing]["parts"]
    plain = say(replace(asked, part=None, contact="pick"), rng)
    if len(own) > 1 and rng.random() < 0.5:
        first, second = (own[str(name)] for name in rng.permutation(sorted(own))[:2])
        held = [choose(rng, FORMS["held"]).format(part=choose(rng, words)) for words in (first, second)]
        return ", ".join([plain, *held])
    words = [word for kind in CATALOGUE.values() for part in kind["parts"].values() for word in part]
    odd = [f"by the {word}" for word in (*words, *UNCLEAR_FORMS["parts"])]
    pick, put = choose(rng, FORMS["pick"]), choose(rng, FORMS["put"])
    return f"{pick} the {thing} {choose(rng, odd)} and {put} it {choose(rng, _PLACES)}"


def _twice(asked: Instruction, rng: np.random.Generator) -> str:
    """Say two ways that cannot both be gone."""
    kind = int(rng.integers(3))
    if kind == 0:
        plain, groups = replace(asked, speed=None), [FORMS["speed"][name] for name in ("slow", "quick")]
    elif kind == 1:
        plain, pair = replace(asked, path=None), _AGAINST[int(rng.integers(2))]
        groups = [FORMS["path"][name] for name in pair]
    else:
        form = choose(rng, (*FORMS["pointing"], *FORMS["label"]))
        plain, groups = replace(asked, orientation=None), [[form.format(side=side)] for side in SIDES]
    first, second = (groups[int(index)] for index in rng.permutation(len(groups))[:2])
    return f"{say(plain, rng)}, {choose(rng, first)} {_joined(rng)} {choose(rng, second)}"


def _joined(rng: np.random.Generator) -> str:
    return choose(rng, ("and", "but", "and also", "or", "and at the same time", "and yet"))


def _means_something(sentence: str) -> bool:
    try:
        parse_sentence(sentence)
    except LanguageError:
        return False
    return True
