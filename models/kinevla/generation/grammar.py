"""What may stand where in the answer, as a list of segments and a cursor that walks along them.

The answer of §3.2 is ``<goal> text </goal> <goal_act> codes </goal_act> <kin> text </kin> <kin_act> codes
</kin_act> eos``. At a code position only the K ids of that stage are admissible, at a text position only text
ids or the closing delimiter; all other positions are determined and cost no decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kinevla.text.vocabulary import CodeLevel, Vocabulary

DEFAULT_MAX_TEXT_TOKENS = 128


@dataclass(frozen=True)
class Fixed:
    """Ids that always stand here."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Text:
    """Free text up to and including `end`; at most `max_tokens` text ids."""

    name: str
    end: int
    max_tokens: int


@dataclass(frozen=True)
class Codes:
    """One code per stage of a level."""

    name: str
    stages: tuple[CodeLevel, ...]


Segment = Fixed | Text | Codes
# Ids that may be chosen at a place: a range, and the delimiter that ends a text.
Choice = tuple[range, int | None]


@dataclass(frozen=True)
class Grammar:
    """The admissible answers."""

    vocabulary: Vocabulary
    first_text_id: int  # ids below it (specials) never appear as text
    reasoning: bool = True  # False leaves the reasoning texts out (an ablation), codes only
    max_text_tokens: int = DEFAULT_MAX_TEXT_TOKENS  # bound on each reasoning text
    codes: bool = True  # False leaves the action codes out (the flow head computes the chunk), texts only

    def segments(self) -> tuple[Segment, ...]:
        """Return the answer's segments in order."""
        vocabulary = self.vocabulary
        mark = vocabulary.delimiter
        parts: list[Segment] = []
        for name, tag, act in (("goal", "goal", "goal_act"), ("kinematics", "kin", "kin_act")):
            stages = tuple(level for level in vocabulary.levels() if level.level == name)
            if not stages and self.codes:
                continue
            if self.reasoning:
                parts.append(Fixed((mark(f"<{tag}>"),)))
                parts.append(Text(name, mark(f"</{tag}>"), self.max_text_tokens))
            if self.codes:
                parts.append(Fixed((mark(f"<{act}>"),)))
                parts.append(Codes(name, stages))
                parts.append(Fixed((mark(f"</{act}>"),)))
        parts.append(Fixed((vocabulary.eos,)))
        return tuple(parts)

    def check_text(self, ids: Sequence[int]) -> None:
        """Refuse ids that are no text: specials, delimiters, action codes.

        Raises:
            ValueError: such an id, named.
        """
        end = self.vocabulary.text_ids_end
        for token in ids:
            if not self.first_text_id <= token < end:
                raise ValueError(f"id {token} is no text, text has ids {self.first_text_id}..{end - 1}")


class Cursor:
    """A position in an answer that is being written.

    Fixed texts, by segment name and without end delimiter, are used instead of generated ones.
    """

    def __init__(self, grammar: Grammar, fixed_texts: Mapping[str, Sequence[int]] | None = None) -> None:
        self.grammar = grammar
        self.written: list[int] = []
        self.parts: dict[tuple[str, str], list[int]] = {}
        self._segments = [self._fix(segment, fixed_texts or {}) for segment in grammar.segments()]
        self._index = 0
        self._within = 0

    def _fix(
        self, segment: Segment, texts: Mapping[str, Sequence[int]]
    ) -> tuple[Segment, tuple[int, ...] | None]:
        """Pair a segment with the ids it must hold, or None where the network decides."""
        if isinstance(segment, Fixed):
            return segment, segment.ids
        if isinstance(segment, Text) and segment.name in texts:
            return segment, (*texts[segment.name], segment.end)
        return segment, None

    def copy(self) -> Cursor:
        """Return an independent cursor at the same place."""
        twin = Cursor.__new__(Cursor)
        twin.grammar, twin._segments = self.grammar, self._segments
        twin.written, twin.parts = list(self.written), {key: list(value) for key, value in self.parts.items()}
        twin._index, twin._within = self._index, self._within
        return twin

    @property
    def done(self) -> bool:
        """The answer is complete."""
        return self._index == len(self._segments)

    @property
    def segment(self) -> Segment:
        """The segment the next id belongs to."""
        return self._segments[self._index][0]

    @property
    def offset(self) -> int:
        """Ids already written in the present segment."""
        return self._within

    def determined(self) -> int | None:
        """Return the next id where only one is possible, else None."""
        segment, ids = self._segments[self._index]
        if ids is not None:
            return ids[self._within]
        if isinstance(segment, Text) and self._within >= segment.max_tokens:
            return segment.end
        return None

    def admissible(self) -> Choice:
        """Return the ids the network may choose from: a range and possibly the closing delimiter."""
        segment = self.segment
        if isinstance(segment, Codes):
            return self.grammar.vocabulary.block(segment.stages[self._within]), None
        assert isinstance(segment, Text), "a determined position offers no choice"
        return range(self.grammar.first_text_id, self.grammar.vocabulary.text_ids_end), segment.end

    def advance(self, token: int) -> None:
        """Write the next id and move on."""
        segment, ids = self._segments[self._index]
        self.written.append(token)
        self._within += 1
        if isinstance(segment, Text):
            kept = self.parts.setdefault(("text", segment.name), [])
            finished = token == segment.end
            if not finished:
                kept.append(token)
        elif isinstance(segment, Codes):
            first = self.grammar.vocabulary.block(segment.stages[self._within - 1]).start
            self.parts.setdefault(("codes", segment.name), []).append(token - first)
            finished = self._within == len(segment.stages)
        else:
            finished = ids is not None and self._within == len(ids)
        if finished:
            self._index += 1
            self._within = 0

    def text(self, name: str) -> tuple[int, ...]:
        """Return the ids of a reasoning text so far, without its delimiters."""
        return tuple(self.parts.get(("text", name), ()))

    def all_codes(self) -> tuple[int, ...]:
        """Return the code indices of all levels so far, in the order of the stages."""
        names = dict.fromkeys(level.level for level in self.grammar.vocabulary.levels())
        return tuple(code for name in names for code in self.codes(name))

    def codes(self, name: str) -> tuple[int, ...]:
        """Return the code indices of a level so far (not ids)."""
        return tuple(self.parts.get(("codes", name), ()))
