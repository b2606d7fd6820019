"""Forced reasoning, one shared block of codes, and what is reported about the passes."""

from __future__ import annotations

import dataclasses

import pytest

from kinevla.backbone.model import KineVLAModel
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text import Vocabulary

from .tiny import (
    BUILDER,
    GRAMMAR,
    PROMPT,
    SMALL,
    TOKENIZER,
    VOCABULARY,
    generator,
    observation,
    random_model,
)

SHORT = dataclasses.replace(GRAMMAR, max_text_tokens=10)
GOAL, FINE = BUILDER.text("move the bread"), BUILDER.text("the carrot")


@pytest.fixture(scope="module", params=["motion", "towers"])
def model(request: pytest.FixtureRequest) -> KineVLAModel:
    return random_model(0, request.param)


def test_one_level_can_be_forced_and_the_other_is_generated_for_it(model: KineVLAModel) -> None:
    made = generator(model, SHORT)
    free = made.generate(observation(0), PROMPT)
    goal = made.generate(observation(0), PROMPT, forced={"goal": GOAL})
    assert goal.goal_text == GOAL
    fine = made.generate(observation(0), PROMPT, forced={"kinematics": FINE})
    assert fine.kinematics_text == FINE
    # What stands before the forced level is not touched by it.
    assert (fine.goal_text, fine.goal_codes) == (free.goal_text, free.goal_codes)
    # Forcing what the policy would have said changes nothing.
    assert made.generate(observation(0), PROMPT, forced={"goal": free.goal_text}).ids == free.ids


def test_a_draft_is_used_for_the_level_that_is_not_forced(model: KineVLAModel) -> None:
    made = generator(model, SHORT)
    plain = made.generate(observation(9), PROMPT, forced={"goal": GOAL})
    again = made.generate(observation(9), PROMPT, plain.draft, {"goal": GOAL})
    assert again.ids == plain.ids
    assert (again.goal_text_reused, again.kinematics_text_reused) == (False, True)
    assert again.forward_passes == (1 if model.readout is not None else 4)


@pytest.mark.parametrize(
    ("forced", "message"),
    [
        ({"fine": (5,)}, "level 'fine'"),
        ({"goal": (5,) * 11}, "11 ids, the grammar allows 10"),
        ({"goal": (2,)}, "id 2 is no text"),
        ({"kinematics": (VOCABULARY.delimiter("</kin>"),)}, "is no text"),
        ({"kinematics": (VOCABULARY.code_start,)}, "is no text"),
    ],
)
def test_reasoning_that_could_not_stand_in_an_answer_is_refused(
    model: KineVLAModel, forced: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generator(model, SHORT).generate(observation(0), PROMPT, forced=forced)


def test_reasoning_cannot_be_forced_on_a_model_without() -> None:
    with pytest.raises(ValueError, match="this model has none"):
        generator(random_model(0, "codes"), dataclasses.replace(SHORT, reasoning=False)).generate(
            observation(0), PROMPT, forced={"goal": GOAL}
        )


def test_passes_say_what_each_was_for_in_one_sequence() -> None:
    made = generator(random_model(0, "towers"), SHORT)
    plain = made.generate(observation(0), PROMPT)
    assert [item.kind for item in plain.passes[:2]] == ["prefill", "decode"]
    assert {item.kind for item in plain.passes[1:]} == {"decode"}
    assert plain.passes[0].new_tokens == 1 + 5 + len(PROMPT) + 1
    again = made.generate(observation(0), PROMPT, plain.draft)
    assert [item.kind for item in again.passes] == ["prefill", "decode", "verify", "decode"]
    assert sum(item.drafted for item in again.passes) == again.accepted
    # Every position is computed once: all but the last code, its closing delimiter and eos.
    assert sum(item.new_tokens for item in again.passes) == 1 + 5 + len(PROMPT) + len(again.ids) - 3
    assert all(item.seconds > 0 for item in again.passes)
    assert again.decode_s == pytest.approx(sum(item.seconds for item in again.passes[1:]))
    assert again.forward_passes == len(again.passes)


@pytest.mark.parametrize("kind", SMALL)
def test_passes_say_what_each_was_for_where_codes_are_read_apart(kind: str) -> None:
    made = generator(random_model(0, kind), SHORT)
    plain = made.generate(observation(0), PROMPT)
    assert plain.passes[0].kind == "prefill"
    reads = ["read"] * (1 if kind == "motion" else 2)  # A motion holds all codes of its level.
    again = made.generate(observation(0), PROMPT, plain.draft)
    assert [item.kind for item in again.passes] == ["prefill", *reads, "verify", *reads]
    assert sum(item.drafted for item in again.passes) == again.accepted
    # The reader reads up to the last code; the instruction is not there. A readout needs no decoder.
    read = [item.new_tokens for item in again.passes if item.kind == "read"]
    before_codes = again.ids.index(VOCABULARY.delimiter("<kin_act>")) + 1
    assert sum(read) == (0 if kind == "motion" else 1 + 5 + before_codes + 1)
    # The writer reads up to its last choice, which nothing of its own follows.
    written = again.ids.index(VOCABULARY.delimiter("</kin>"))
    written -= len(again.kinematics_text) == SHORT.max_text_tokens
    total = sum(item.new_tokens for item in again.passes) - sum(read)
    assert total == 1 + 5 + len(PROMPT) + written


@pytest.mark.parametrize("kind", ["codes", "towers"])
def test_forty_codes_of_one_shared_block_are_generated_and_laid_out(kind: str) -> None:
    vocabulary = Vocabulary.after_text(
        len(TOKENIZER), codebook_size=16, goal_codes=40, kinematics_codes=0, bos=1, eos=2, pad=0,
        shared_block=True,
    )  # fmt: skip
    assert vocabulary.padded_size <= VOCABULARY.padded_size
    grammar = Grammar(vocabulary, first_text_id=4, reasoning=False)
    codes = [(7 * index) % 16 for index in range(40)]
    sequence = SequenceBuilder(TOKENIZER, grammar).build("move the bread", "", "", codes, [])
    ids = [token for token, action in zip(sequence.ids, sequence.action, strict=True) if action]
    assert [token - vocabulary.code_start for token in ids] == codes
    made = generator(random_model(5, kind), grammar)
    answer = made.generate(observation(5), PROMPT)
    assert len(answer.goal_codes) == 40 and answer.kinematics_codes == ()
    assert all(0 <= code < 16 for code in answer.goal_codes)
    assert answer.forward_passes == 40
