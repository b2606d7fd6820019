"""Forced reasoning, sampling, one shared block of codes, and what is reported about the passes."""

from __future__ import annotations

import dataclasses

import pytest

from kinevla.backbone import KineVLAModel
from kinevla.generation import Draft, Generator, Grammar, SamplingConfig, SequenceBuilder
from kinevla.text import Vocabulary

from .tiny import BUILDER, GRAMMAR, PROMPT, TOKENIZER, VOCABULARY, observation, random_model

SHORT = dataclasses.replace(GRAMMAR, max_text_tokens=10)
GOAL, FINE = BUILDER.text("move the bread"), BUILDER.text("the carrot")


@pytest.fixture(scope="module")
def model() -> KineVLAModel:
    return random_model(0)


def test_one_level_can_be_forced_and_the_other_is_generated_for_it(model: KineVLAModel) -> None:
    generator = Generator(model, SHORT)
    free = generator.generate(observation(0), PROMPT)
    goal = generator.generate(observation(0), PROMPT, forced={"goal": GOAL})
    assert goal.goal_text == GOAL
    fine = generator.generate(observation(0), PROMPT, forced={"kinematics": FINE})
    assert fine.kinematics_text == FINE
    # What stands before the forced level is not touched by it.
    assert (fine.goal_text, fine.goal_codes) == (free.goal_text, free.goal_codes)
    # Forcing what the policy would have said changes nothing.
    assert generator.generate(observation(0), PROMPT, forced={"goal": free.goal_text}).ids == free.ids


def test_a_draft_is_used_for_the_level_that_is_not_forced(model: KineVLAModel) -> None:
    generator = Generator(model, SHORT)
    plain = generator.generate(observation(9), PROMPT, forced={"goal": GOAL})
    again = generator.generate(observation(9), PROMPT, plain.draft, {"goal": GOAL})
    assert again.ids == plain.ids
    assert (again.goal_text_reused, again.kinematics_text_reused) == (False, True)
    assert again.forward_passes == 4


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
        Generator(model, SHORT).generate(observation(0), PROMPT, forced=forced)


def test_reasoning_cannot_be_forced_on_a_model_without(model: KineVLAModel) -> None:
    with pytest.raises(ValueError, match="this model has none"):
        Generator(model, dataclasses.replace(SHORT, reasoning=False)).generate(
            observation(0), PROMPT, forced={"goal": GOAL}
        )


def test_sampling_repeats_with_its_seed_and_differs_with_another(model: KineVLAModel) -> None:
    generator = Generator(model, SHORT)
    answers = [
        generator.generate(observation(0), PROMPT, sampling=SamplingConfig(temperature=3.0, seed=seed)).ids
        for seed in (1, 1, 2, 3)
    ]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1


def test_sampling_keeps_to_the_grammar_and_to_forced_reasoning(model: KineVLAModel) -> None:
    for seed in range(10):
        settings = SamplingConfig(temperature=50.0, seed=seed)
        answer = Generator(model, SHORT).generate(
            observation(0), PROMPT, forced={"kinematics": FINE}, sampling=settings
        )
        marks = [token for token in answer.ids if 0 <= token - VOCABULARY.delimiter_start < 8]
        assert marks == list(range(VOCABULARY.delimiter_start, VOCABULARY.delimiter_start + 8))
        assert answer.kinematics_text == FINE
        assert all(4 <= token < VOCABULARY.text_size for token in answer.goal_text)
        assert len(answer.goal_codes) == len(answer.kinematics_codes) == 2


def test_drawing_among_the_best_one_only_is_greedy_decoding(model: KineVLAModel) -> None:
    generator = Generator(model, SHORT)
    drawn = generator.generate(observation(0), PROMPT, sampling=SamplingConfig(temperature=9.0, top_k=1))
    assert drawn.ids == generator.generate(observation(0), PROMPT).ids


def test_sampling_with_a_draft_or_impossible_settings_is_refused(model: KineVLAModel) -> None:
    with pytest.raises(ValueError, match="drawn at random"):
        Generator(model, SHORT).generate(observation(0), PROMPT, Draft(GOAL), sampling=SamplingConfig())
    for settings in ({"temperature": 0.0}, {"temperature": float("nan")}, {"top_k": -1}, {"seed": -1}):
        with pytest.raises(ValueError, match=str(next(iter(settings.values())))):
            SamplingConfig(**settings)  # type: ignore[arg-type]


def test_passes_say_what_each_was_for(model: KineVLAModel) -> None:
    generator = Generator(model, SHORT)
    plain = generator.generate(observation(0), PROMPT)
    assert [item.kind for item in plain.passes[:2]] == ["prefill", "decode"]
    assert {item.kind for item in plain.passes[1:]} == {"decode"}
    assert plain.passes[0].new_tokens == 1 + 5 + len(PROMPT) + 1
    again = generator.generate(observation(0), PROMPT, plain.draft)
    assert [item.kind for item in again.passes] == ["prefill", "decode", "verify", "decode"]
    assert sum(item.drafted for item in again.passes) == again.accepted
    # Every position is computed once: all but the last code, its closing delimiter and eos.
    assert sum(item.new_tokens for item in again.passes) == 1 + 5 + len(PROMPT) + len(again.ids) - 3
    assert all(item.seconds > 0 for item in again.passes)
    assert again.decode_s == pytest.approx(sum(item.seconds for item in again.passes[1:]))
    assert again.forward_passes == len(again.passes)


def test_forty_codes_of_one_shared_block_are_generated_and_laid_out() -> None:
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
    model = random_model(5)
    generator = Generator(model, grammar)
    answer = generator.generate(observation(5), PROMPT)
    assert len(answer.goal_codes) == 40 and answer.kinematics_codes == ()
    assert all(0 <= code < 16 for code in answer.goal_codes)
    assert answer.forward_passes == 40
