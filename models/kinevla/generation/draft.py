"""A previous answer as a guess at the next one.

A draft never decides anything: whatever it proposes is checked against what the network itself would choose
(see `generator`). A poor draft costs a little time, a good one saves most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kinevla.generation.grammar import Choice, Codes, Cursor, Text

# How far from the expected place a word of the draft is looked for after the answer left it.
_REACH = 6
# Words proposed after a disagreement in the same text, and the factor when all of them were right.
_CAUTIOUS, _TRUST = 4, 4


@dataclass(frozen=True)
class Draft:
    """A previous answer."""

    goal_text: tuple[int, ...] = ()  # ids of the coarse reasoning, without delimiters
    goal_codes: tuple[int, ...] = ()  # code indices of the goal level
    kinematics_text: tuple[int, ...] = ()  # ids of the fine reasoning
    kinematics_codes: tuple[int, ...] = ()  # code indices of the kinematics level

    def of(self, kind: str, name: str) -> tuple[int, ...]:
        """Return a part by kind ('text' or 'codes') and level name."""
        return tuple(getattr(self, f"{name}_{kind}"))


@dataclass(frozen=True)
class Proposal:
    """Ids to be checked in one pass."""

    ids: tuple[int, ...]  # n proposed ids, those between them that allow no choice included
    # n + 1 entries, what is admissible at each of these ids and after the last; None where only one id is
    # possible
    choices: tuple[Choice | None, ...]


class Drafter:
    """Proposes ids of a draft during one answer.

    Codes are left to the network: they change with nearly every chunk, and a wrong one makes the text after
    it be checked twice.
    """

    def __init__(self, draft: Draft | None) -> None:
        self._draft = draft
        self._limits: dict[str, int] = {}

    def propose(self, cursor: Cursor, texts_only: bool = False) -> Proposal:
        """Propose ids from the cursor, where there is a choice, to the next place without a guess.

        With `texts_only` the last choice is that before the next codes, which somebody else chooses.
        """
        if self._draft is None:
            return Proposal((), (cursor.admissible(),))
        ahead = cursor.copy()
        ids: list[int] = []
        choices: list[Choice | None] = []
        guesses: Sequence[int] | None = None
        while not ahead.done:
            if texts_only and isinstance(ahead.segment, Codes):
                break
            token = ahead.determined()
            choices.append(None if token is not None else ahead.admissible())
            if token is None:
                if guesses is None or ahead.offset == 0:
                    guesses, begin = self._guesses(ahead, self._draft), ahead.offset
                token = guesses[ahead.offset - begin] if ahead.offset - begin < len(guesses) else None
                if token is None or not _allows(choices[-1], token):
                    return Proposal(tuple(ids), tuple(choices))
            ids.append(token)
            ahead.advance(token)
        # The draft reaches the end. Its last guess is not needed to make that choice.
        last = max(index for index, choice in enumerate(choices) if choice is not None)
        return Proposal(tuple(ids[:last]), tuple(choices[: last + 1]))

    def learn(self, place: Cursor, agreed: bool) -> None:
        """Take note of a check: it went well, or failed at `place`."""
        if agreed:
            self._limits = {name: limit * _TRUST for name, limit in self._limits.items()}
        elif isinstance(place.segment, Text):
            self._limits[place.segment.name] = _CAUTIOUS

    def _guesses(self, cursor: Cursor, draft: Draft) -> Sequence[int]:
        """Return the guesses for the rest of the segment at the cursor."""
        segment = cursor.segment
        words = draft.of("text", segment.name) if isinstance(segment, Text) else ()
        if not isinstance(segment, Text) or not words:
            return ()
        start = following(cursor.text(segment.name), words)
        return (*words, segment.end)[start:][: self._limits.get(segment.name)]


def following(written: Sequence[int], words: Sequence[int]) -> int:
    """Return the index in `words` (a draft) of the guess at what follows `written`.

    As long as both agree that is the next word. After a difference, each written id is looked for near the
    place where it is expected, which finds the way back after words that were changed, added or left out.
    """
    place = len(written)
    if tuple(words[:place]) == tuple(written):
        return place
    place = 0
    for token in written:
        near = (place + step * sign for step in range(_REACH + 1) for sign in (1, -1))
        found = next((index for index in near if 0 <= index < len(words) and words[index] == token), place)
        place = found + 1
    return min(place, len(words))


def _allows(choice: Choice | None, token: int) -> bool:
    return choice is not None and (token in choice[0] or token == choice[1])
