"""Builds the training sequence of one observation and says which loss each position belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerFast

from kinevla.generation.grammar import Codes, Cursor, Grammar, Text
from kinevla.text.corpus import PROMPT_HEAD, PROMPT_TAIL
from kinevla.text.instruction import normalised
from kinevla.text.vocabulary import Vocabulary

# The Llama tokenizer writes a space before an answer; OpenVLA was trained with it and appends it when absent.
LLAMA_SPACE_ID = 29871


@dataclass(frozen=True)
class TokenSequence:
    """Ids of prompt and answer (without BOS, which stands before the observation tokens) and their roles."""

    ids: tuple[int, ...]  # prompt, then the answer up to and including eos
    # True at ids whose prediction belongs to the reasoning loss (eq. 4): texts and delimiters
    reasoning: tuple[bool, ...]
    action: tuple[bool, ...]  # True at action codes (eq. 5)
    reasoning_span: tuple[bool, ...]  # True at the words of both reasoning texts, the span pooled for eq. 6


class SequenceBuilder:
    """Lays out prompt and answer; the suffix is appended to a prompt that does not end with it."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, grammar: Grammar, prompt_suffix: Sequence[int] = ()
    ) -> None:
        self.tokenizer = tokenizer
        self.grammar = grammar
        self.prompt_suffix = tuple(prompt_suffix)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The id layout."""
        return self.grammar.vocabulary

    def prompt(self, instruction: str) -> tuple[int, ...]:
        """Return the ids of the prompt around an instruction, normalised as at run time."""
        ids = self.text(f"{PROMPT_HEAD}{normalised(instruction)}{PROMPT_TAIL}")
        if self.prompt_suffix and ids[-len(self.prompt_suffix) :] != self.prompt_suffix:
            ids += self.prompt_suffix
        return ids

    def text(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text.

        Raises:
            ValueError: a word outside the vocabulary, or a piece whose id is a special, a delimiter or an
                action code (named).
        """
        coded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = tuple(coded.input_ids)
        words = [text[begin:end].strip() for begin, end in coded.offset_mapping]
        if self.tokenizer.unk_token_id is not None and self.tokenizer.unk_token_id in ids:
            unknown = [
                word for word, token in zip(words, ids, strict=True) if token == self.tokenizer.unk_token_id
            ]
            named = ", ".join(repr(word) for word in dict.fromkeys(unknown))
            raise ValueError(f"{named}: outside the vocabulary, in the text {text!r}")
        try:
            self.grammar.check_text(ids)
        except ValueError as error:
            raise ValueError(f"the text {text!r} cannot be used: {error}") from error
        return ids

    def decode_text(self, ids: Sequence[int]) -> str:
        """Return the text of reasoning ids."""
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def build(
        self,
        instruction: str,
        coarse: str,
        fine: str,
        goal_codes: Sequence[int],
        kinematics_codes: Sequence[int],
    ) -> TokenSequence:
        """Build the sequence of one training sample: prompt and answer."""
        prompt, answer = self.prompt(instruction), self.answer(coarse, fine, goal_codes, kinematics_codes)
        ahead = (False,) * len(prompt)
        return TokenSequence(
            ids=(*prompt, *answer.ids),
            reasoning=(*ahead, *answer.reasoning),
            action=(*ahead, *answer.action),
            reasoning_span=(*ahead, *answer.reasoning_span),
        )

    def answer(
        self, coarse: str, fine: str, goal_codes: Sequence[int], kinematics_codes: Sequence[int]
    ) -> TokenSequence:
        """Build the answer alone.

        Raises:
            ValueError: unknown words, codes outside 0..K-1, another number of codes than the layout has, or a
                text longer than generation would ever write.
        """
        vocabulary = self.vocabulary
        expected = (vocabulary.goal_codes, vocabulary.kinematics_codes)
        if (len(goal_codes), len(kinematics_codes)) != expected:
            raise ValueError(
                f"need {expected[0]} goal and {expected[1]} kinematics codes, got {len(goal_codes)} and "
                f"{len(kinematics_codes)}"
            )
        codes = iter([*goal_codes, *kinematics_codes])
        texts = {"goal": self.text(coarse), "kinematics": self.text(fine)}
        for name, ids in texts.items():
            if len(ids) > self.grammar.max_text_tokens:
                raise ValueError(
                    f"the {name} reasoning has {len(ids)} ids, the grammar allows "
                    f"{self.grammar.max_text_tokens}"
                )
        reasoning, action, span = list[bool](), list[bool](), list[bool]()
        cursor = Cursor(self.grammar, texts)
        while not cursor.done:
            segment = cursor.segment
            token = cursor.determined()
            is_code = isinstance(segment, Codes)
            if isinstance(segment, Codes):
                token = vocabulary.code_id(segment.stages[cursor.offset], next(codes))
            assert token is not None
            reasoning.append(not is_code)
            action.append(is_code)
            span.append(isinstance(segment, Text) and token != segment.end)
            cursor.advance(token)
        return TokenSequence(tuple(cursor.written), tuple(reasoning), tuple(action), tuple(span))
