"""Understanding before motion: what the network wrote about a sentence decides whether the arm follows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kinevla.text.instruction import InstructionError
from kinevla.text.language import LanguageError, parse_texts
from kinevla.text.language.wording import of_language
from kinevla.text.similarity import nearest_sentence
from kinevla.text.unclear import UNCLEAR

NOT_UNDERSTOOD = "was not understood"  # In the text of every refusal for this reason
_WHY = {
    "sentence": "it is not clear what is meant",
    "action": "it is not clear what to do, or it is nothing this policy can do",
    "thing": "it is not clear which thing is meant, or the policy does not know it",
    "part": "it is not clear which part is meant",
    "place": "it is not clear where the thing shall go",
    "absent": "the thing it names is not seen",
}
_MEANING = {text: _WHY[name] for name, text in UNCLEAR.items()}
_CLAUSE = re.compile(r"(?<=[.;:])\s+")


class Understanding:
    """Judges what was written: by what it was taught, or, taught the language, by what that can write.

    Args:
        texts: (instruction, goal text, kinematics text) of the training.
        doubt_limit_nat: how unlikely the least likely word may be.
    """

    def __init__(self, texts: Sequence[tuple[str, str, str]], doubt_limit_nat: float) -> None:
        self._instructions = tuple(dict.fromkeys(text[0] for text in texts))
        self._goals = frozenset(text[1] for text in texts)
        self._clauses = frozenset(clause for text in texts for clause in clauses(text[2]))
        self._language = of_language(texts)
        self._limit = doubt_limit_nat

    def problem(self, goal_text: str, kinematics_text: str, doubt_nat: float = 0.0) -> str:
        """Say what is wrong with what the network wrote; empty where it may be followed."""
        if why := unclear(goal_text):
            return why
        if why := self._unknown(goal_text, kinematics_text):
            return why
        if doubt_nat > self._limit:
            return (
                f"the policy is not sure of what it understood ({doubt_nat:.1f} nat, limit {self._limit:.1f})"
            )
        return ""

    def _unknown(self, goal_text: str, kinematics_text: str) -> str:
        if self._language:
            try:
                parse_texts(goal_text, kinematics_text)
            except LanguageError as error:
                return f"the policy made nothing of it that can be done: {error}"
            return ""
        if self._goals and goal_text not in self._goals:
            return f"the policy made {goal_text!r} of it, which is no goal it knows"
        odd = [item for item in clauses(kinematics_text) if item not in self._clauses]
        if self._clauses and odd:
            return f"the policy made {odd[0]!r} of it, which it has not learned"
        return ""

    def check(self, sentence: str, goal_text: str, kinematics_text: str, doubt_nat: float) -> None:
        """Refuse to act on what was not understood; arguments as of `problem`.

        Raises:
            InstructionError: what was not understood, and the nearest sentence that would be.
        """
        if why := self.problem(goal_text, kinematics_text, doubt_nat):
            near = nearest_sentence(sentence, self._instructions) if self._instructions else ""
            hint = f"; the nearest sentence it knows: {near!r}" if near else ""
            if near == sentence:
                hint = "; it knows the sentence itself: what it sees does not go with it"
            raise InstructionError(f"{sentence!r} {NOT_UNDERSTOOD}: {why}{hint}")


def read_otherwise(before: tuple[str, str], now: tuple[str, str]) -> str:
    """Say which text of a sentence is not what it was a plan before; empty where both are.

    A sentence that suddenly means something else was misread then or now, and nobody asked for either.
    """
    for old, new in zip(before, now, strict=True):
        if old != new:
            return f"the policy reads {new!r} of the sentence, where it read {old!r} before"
    return ""


def unclear(goal_text: str) -> str:
    """Return what was not understood where the network wrote that instead of a goal, else an empty text."""
    return _MEANING.get(goal_text, "")


def clauses(text: str) -> list[str]:
    """Split a reasoning text into its statements."""
    return [clause for clause in _CLAUSE.split(text.strip()) if clause]
