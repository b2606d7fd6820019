"""Other reasoning in place of the policy's own (§4 of the paper): does the motion follow the words?

Images and instruction stay as they are; only the kinematics-level text is exchanged. If the reasoning steers
the motion, a text of the same goal or random words make kinematics success fall, and goal success does not.
Below, `own` are the (coarse, fine) texts of the instruction that is given, `texts` those of all tasks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from kinevla.text.tokenizer import split_words

Intervention = Literal["none", "random", "mismatched"]
Exchange = Literal["none", "random", "mismatched", "shuffled"]
"""The interventions, and what the control 'shuffled' forces."""
_WORD = re.compile(r"\w+")


class InterventionError(ValueError):
    """No other text can be put in place; the text says why."""


def mismatched_text(own: tuple[str, str], texts: Sequence[tuple[str, str]], rng: np.random.Generator) -> str:
    """Draw the kinematics text of another instruction with the same goal text.

    Raises:
        InterventionError: no other instruction shares the goal.
    """
    alike = [pair for pair in texts if pair[0] == own[0]]
    if all(fine == own[1] for _, fine in alike):
        raise InterventionError(f"no other instruction has the goal {own[0]!r}")
    return shuffled_text(own, alike, rng)


def shuffled_text(own: tuple[str, str], texts: Sequence[tuple[str, str]], rng: np.random.Generator) -> str:
    """Draw the kinematics text of any other instruction.

    Raises:
        InterventionError: all instructions have this text.
    """
    others = sorted({fine for _, fine in texts if fine != own[1]})
    if not others:
        raise InterventionError("no other instruction has another kinematics text")
    return others[int(rng.integers(len(others)))]


def random_text(own: str, texts: Sequence[str], rng: np.random.Generator) -> str:
    """Draw as many words as `own` has, each at random from the words of all texts, without punctuation.

    Words that occur within field labels only are left out: a label may be one token, its words none.
    """
    words = sorted({word for text in texts for word in _words(text)})
    return " ".join(words[int(index)] for index in rng.integers(len(words), size=len(_words(own))))


def _words(text: str) -> list[str]:
    return [piece.strip() for piece in split_words(text) if _WORD.fullmatch(piece.strip())]


def intervene(
    kind: Exchange, own: tuple[str, str], texts: Sequence[tuple[str, str]], seed: Sequence[int]
) -> str | None:
    """Return the kinematics text to force, None where nothing is exchanged."""
    if kind == "none":
        return None
    rng = np.random.default_rng(list(seed))
    if kind == "mismatched":
        return mismatched_text(own, texts, rng)
    if kind == "shuffled":
        return shuffled_text(own, texts, rng)
    return random_text(own[1], [fine for _, fine in texts], rng)
