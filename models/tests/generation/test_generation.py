from __future__ import annotations

import dataclasses

import pytest

from kinevla.generation import Cursor, Draft, Generator, GeneratorConfig, SequenceBuilder

from .tiny import (
    BUILDER,
    GRAMMAR,
    PROMPT,
    TASKS,
    TOKENIZER,
    VOCABULARY,
    draft_like,
    observation,
    random_model,
    slow_greedy,
)

# The small grammar's limit is below the length of the annotated texts.
WIDE = SequenceBuilder(TOKENIZER, dataclasses.replace(GRAMMAR, max_text_tokens=128))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generation_equals_greedy_decoding_without_cache(seed: int) -> None:
    model = random_model(seed)
    assert Generator(model, GRAMMAR).generate(observation(seed), PROMPT).ids == slow_greedy(
        model, observation(seed)
    )


@pytest.mark.parametrize("draft_codes", [False, True])
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_draft_changes_the_time_but_not_one_id(seed: int, keep: float, draft_codes: bool) -> None:
    model = random_model(seed)
    plain = Generator(model, GRAMMAR).generate(observation(seed), PROMPT)
    drafted = Generator(model, GRAMMAR, GeneratorConfig(draft_codes)).generate(
        observation(seed), PROMPT, draft_like(plain, keep)
    )
    assert drafted.ids == plain.ids
    assert drafted.forward_passes <= plain.forward_passes
    assert drafted.goal_text_reused == (keep == 1.0)


def test_an_unchanged_text_costs_four_passes_and_one_when_codes_are_drafted_too() -> None:
    model = random_model(0)
    plain = Generator(model, GRAMMAR).generate(observation(0), PROMPT)
    assert Generator(model, GRAMMAR).generate(observation(0), PROMPT, plain.draft).forward_passes == 4
    eager = Generator(model, GRAMMAR, GeneratorConfig(draft_codes=True))
    assert eager.generate(observation(0), PROMPT, plain.draft).forward_passes == 1


def test_a_draft_of_another_observation_is_harmless() -> None:
    model = random_model(1)
    other = Generator(model, GRAMMAR).generate(observation(7), PROMPT).draft
    plain = Generator(model, GRAMMAR).generate(observation(8), PROMPT)
    assert Generator(model, GRAMMAR).generate(observation(8), PROMPT, other).ids == plain.ids


@pytest.mark.parametrize("seed", range(4))
def test_random_weights_still_give_an_answer_of_the_right_form(seed: int) -> None:
    answer = Generator(random_model(seed), GRAMMAR).generate(observation(seed), PROMPT)
    assert answer.ids[0] == VOCABULARY.delimiter("<goal>")
    assert answer.ids[-1] == VOCABULARY.eos
    assert len(answer.goal_codes) == 2 and len(answer.kinematics_codes) == 2
    assert all(0 <= code < 16 for code in answer.goal_codes + answer.kinematics_codes)
    assert all(4 <= token < VOCABULARY.text_size for token in answer.goal_text + answer.kinematics_text)
    assert len(answer.goal_text) <= 24
    marks = [token for token in answer.ids if 0 <= token - VOCABULARY.delimiter_start < 8]
    assert marks == list(range(VOCABULARY.delimiter_start, VOCABULARY.delimiter_start + 8))


def test_codes_of_each_stage_come_from_their_own_block() -> None:
    answer = Generator(random_model(3), GRAMMAR).generate(observation(3), PROMPT)
    ids = [token for token in answer.ids if token >= VOCABULARY.code_start]
    for level, token in zip(VOCABULARY.levels(), ids, strict=True):
        assert token in VOCABULARY.block(level)


def test_forced_reasoning_stands_in_the_answer_and_counts_as_not_reused() -> None:
    forced = {"goal": BUILDER.text("move the bread"), "kinematics": BUILDER.text("the carrot")}
    model = random_model(0)
    draft = Draft(goal_text=forced["goal"])
    answer = Generator(model, GRAMMAR).generate(observation(0), PROMPT, draft, forced)
    assert answer.goal_text == forced["goal"]
    assert answer.kinematics_text == forced["kinematics"]
    assert not answer.goal_text_reused
    assert answer.forward_passes == 4


def test_without_reasoning_only_codes_are_generated() -> None:
    grammar = dataclasses.replace(GRAMMAR, reasoning=False)
    answer = Generator(random_model(0), grammar).generate(observation(0), PROMPT)
    assert len(answer.ids) == 4 + 4 + 1
    assert answer.goal_text == ()


def test_the_training_sequence_is_what_generation_would_write() -> None:
    task = TASKS[3]
    sequence = WIDE.build(task.instruction, task.coarse, task.fine, [3, 4], [5, 6])
    cursor = Cursor(GRAMMAR)
    answer = sequence.ids[sequence.prompt_length :]
    unbounded = Cursor(WIDE.grammar)
    for token in answer:
        determined = unbounded.determined()
        if determined is None:
            allowed, extra = unbounded.admissible()
            assert token in allowed or token == extra
        else:
            assert token == determined
        unbounded.advance(token)
    assert unbounded.done and not cursor.done
    assert BUILDER.decode_text(unbounded.text("goal")) == task.coarse
    assert BUILDER.decode_text(unbounded.text("kinematics")) == task.fine
    assert (unbounded.codes("goal"), unbounded.codes("kinematics")) == ((3, 4), (5, 6))


def test_every_answer_id_belongs_to_exactly_one_loss() -> None:
    task = TASKS[0]
    sequence = WIDE.build(task.instruction, task.coarse, task.fine, [0, 1], [2, 3])
    for index in range(len(sequence.ids)):
        roles = sequence.reasoning[index] + sequence.action[index]
        assert roles == (0 if index < sequence.prompt_length else 1)
    words = [token for token, inside in zip(sequence.ids, sequence.reasoning_span, strict=True) if inside]
    assert BUILDER.decode_text(words) == task.coarse + task.fine


def test_the_prompt_is_lower_case_and_ends_with_the_suffix_once() -> None:
    builder = SequenceBuilder(TOKENIZER, GRAMMAR, prompt_suffix=(9,))
    ids = builder.prompt("Pick UP the bread")
    assert ids == (*BUILDER.prompt("pick up the bread"), 9)
    assert BUILDER.decode_text(BUILDER.prompt("pick up the bread")) == (
        "In: What action should the robot take to pick up the bread?\nOut:"
    )


def test_words_outside_the_vocabulary_and_wrong_numbers_of_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the vocabulary: 'banana', 'cherry'"):
        BUILDER.text("the banana bread cherry banana")
    with pytest.raises(ValueError, match="id 2 is no text"):
        BUILDER.text("the bread </s>")
    with pytest.raises(ValueError, match="2 goal and 2 kinematics"):
        BUILDER.build("pick up the bread", "move the bread", "the carrot", [1], [2, 3])
    with pytest.raises(ValueError, match="goal reasoning has 25 ids, the grammar allows 24"):
        BUILDER.build("pick up the bread", "the" + " the" * 24, "the carrot", [1, 1], [2, 3])
