"""Sentences a policy must not act on, drawn for training, and what it says about them instead of a goal.

The decoder learns to write what is unclear, as it learns to write a goal: with the same words, from the same
pretrained reading of the sentence. What it has never been told cannot be listed, so the gate also asks how
sure the decoder was of what it wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import resources

import numpy as np

from kinevla.text.wordings import Meaning, choose, draw_wording, meaning_of, say

UNCLEAR = {
    "sentence": "unclear what is meant",
    "action": "unclear what to do",
    "thing": "unclear which thing",
    "part": "unclear which part",
    "place": "unclear where to",
    "absent": "unclear where the thing is",
}
"""What is written instead of a goal, by what is missing."""

_FILE = json.loads(resources.files("kinevla.text").joinpath("unclear.json").read_text(encoding="utf-8"))
UNCLEAR_FORMS: dict[str, list[str]] = _FILE["forms"]
"""What such sentences are put together from."""
UNCLEAR_WRITTEN: dict[str, list[str]] = _FILE["written"]
"""Such sentences as somebody wrote them, by what is missing."""
_WRITTEN_SHARE = 0.3

_OTHER_PLACES = {
    "left": ("right",),
    "right": ("left",),
    "left front": ("right front", "front", "back"),
    "right front": ("left front", "front", "back"),
    "front": ("left front", "right front", "back"),
}
"""Where else it could go, by the place that is meant."""


def draw_unclear(instructions: Sequence[str], rng: np.random.Generator) -> tuple[str, str]:
    """Draw a sentence that none of the instructions is meant by, and the text about it.

    Returns:
        The sentence and one of `UNCLEAR`.
    """
    instruction = instructions[int(rng.integers(len(instructions)))]
    meaning = meaning_of(instruction)
    sentence = draw_wording(instruction, rng)
    kind = int(rng.integers(12))
    words = sentence.split()
    taught = {known.thing for known in map(meaning_of, instructions) if known is not None}
    if rng.random() < _WRITTEN_SHARE:
        about = choose(rng, tuple(UNCLEAR_WRITTEN) if meaning is not None else ("sentence", "action"))
        written = choose(rng, UNCLEAR_WRITTEN[about])
        if about != "thing" or not taught & set(re.findall(r"\w+", written)):
            return written, UNCLEAR[about]
    if kind == 0 or (meaning is None and kind > 5):
        return choose(rng, UNCLEAR_FORMS["talk"]), UNCLEAR["sentence"]
    if kind == 1:
        rng.shuffle(words)
        return " ".join(words[: max(1, int(rng.integers(1, len(words) + 1)))]), UNCLEAR["sentence"]
    if kind == 2:
        some = [choose(rng, words) for _ in range(int(rng.integers(1, 9)))]
        return " ".join(some), UNCLEAR["sentence"]
    if kind == 3:
        return choose(rng, UNCLEAR_FORMS["negations"]).format(x=sentence), UNCLEAR["action"]
    if kind == 4:
        return choose(rng, UNCLEAR_FORMS["questions"]).format(x=sentence), UNCLEAR["action"]
    if kind == 5:
        other = choose(rng, UNCLEAR_FORMS["actions"])
        named = (
            (meaning.thing if meaning else words[-1])
            if rng.random() < 0.8
            else choose(rng, UNCLEAR_FORMS["things"])
        )
        end = (
            ""
            if rng.random() < 0.4
            else " "
            + choose(
                rng, ("on the plate", "to the front", "on the left", "with care", *UNCLEAR_FORMS["places"])
            )
        )
        return f"{other} the {named}{end}", UNCLEAR["action"]
    assert meaning is not None
    if kind == 6:
        thing = choose(rng, [thing for thing in UNCLEAR_FORMS["things"] if thing not in taught])
        return say(Meaning(thing, meaning.place, meaning.part, meaning.base), rng), UNCLEAR["thing"]
    held = "" if meaning.part is None else f" by the {meaning.part} part"
    if kind == 7:
        return choose(rng, UNCLEAR_FORMS["without_place"]).format(t=meaning.thing, h=held), UNCLEAR["place"]
    if kind == 8:
        put = choose(rng, ("put", "move", "place", "bring", "set", "lay", "carry", "drop"))
        hold = choose(rng, ("hold", "grab", "take", "pick up", "grip"))
        place = choose(rng, UNCLEAR_FORMS["places"])
        forms = (
            f"{put} the {meaning.thing} {place}",
            f"{hold} the {meaning.thing}{held} and {put} it {place}",
        )
        return choose(rng, forms), UNCLEAR["place"]
    if kind == 9 and meaning.part is not None:
        odd = Meaning(meaning.thing, meaning.place, choose(rng, UNCLEAR_FORMS["parts"]), meaning.base)
        put = choose(rng, ("put", "place", "move", "bring", "set", "lay"))
        without = f"{put} the {meaning.thing} on the {meaning.place} side of the {meaning.base}"
        return (without if rng.random() < 0.3 else say(odd, rng)), UNCLEAR["part"]
    return _contradiction(sentence, meaning, rng)


def _contradiction(sentence: str, meaning: Meaning, rng: np.random.Generator) -> tuple[str, str]:
    """Say two things that cannot both be done."""
    words = {
        "x": sentence,
        "t": meaning.thing,
        "p": meaning.part,
        "b": meaning.base,
        "s": meaning.place,
        "o": choose(rng, _OTHER_PLACES[meaning.place]),
    }
    if meaning.part is not None and rng.random() < 0.5:
        return choose(rng, UNCLEAR_FORMS["both_parts"]).format(**words), UNCLEAR["part"]
    forms = UNCLEAR_FORMS["both_places"] if meaning.base is None else UNCLEAR_FORMS["both_sides"]
    return choose(rng, forms).format(**words), UNCLEAR["place"]
