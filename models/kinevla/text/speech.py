"""How the sentences of a data set are said in training: as the table-top tasks, or as the language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kinevla.text.language.refuse import draw_refused
from kinevla.text.language.wording import of_language, other_wording
from kinevla.text.unclear import draw_unclear
from kinevla.text.wordings import meaning_of, numbered_wording


@dataclass(frozen=True)
class Speech:
    """What training draws beside the sentences that were recorded."""

    # (instruction, number) to another way to say it; number 0 is the instruction itself
    wording: Callable[[str, int], str]
    # (instructions, generator) to a sentence that must be refused, and the text about it
    unclear: Callable[[Sequence[str], np.random.Generator], tuple[str, str]]
    # the one thing that an instruction's scene shows, None where there are others beside it
    thing: Callable[[str], str | None]


def speech_of(texts: Sequence[tuple[str, str, str]]) -> Speech:
    """Return how a data set of such (instruction, goal text, kinematics text) speaks."""
    return _LANGUAGE if of_language(texts) else _TABLE_TOP


def _table_top_thing(instruction: str) -> str | None:
    meaning = meaning_of(instruction)
    return None if meaning is None else meaning.thing


def _no_thing(instruction: str) -> None:
    """A scene of the language shows up to four things, and a recording does not say which."""
    return None


_TABLE_TOP = Speech(numbered_wording, draw_unclear, _table_top_thing)
_LANGUAGE = Speech(other_wording, draw_refused, _no_thing)
