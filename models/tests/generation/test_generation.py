from __future__ import annotations

import dataclasses

import pytest
import torch

from kinevla.backbone import (
    DecoderConfig,
    GeometryConfig,
    KineVLAModel,
    ModelConfig,
    TowerConfig,
    VisionConfig,
)
from kinevla.generation import Cursor, Draft, Generation, Generator, GeneratorConfig, Grammar, SequenceBuilder
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts

TASKS = load_task_texts("kine_realman")
TOKENIZER = build_word_tokenizer([text for t in TASKS for text in (t.instruction, t.coarse, t.fine)])
VOCABULARY = Vocabulary.after_text(
    len(TOKENIZER), codebook_size=16, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
)
GRAMMAR = Grammar(VOCABULARY, first_text_id=4, max_text_tokens=24)
BUILDER = SequenceBuilder(TOKENIZER, GRAMMAR)
MODEL = ModelConfig(
    vision=VisionConfig(
        image_size=32,
        patch_grid=2,
        featurizer=TowerConfig((4, 4, 4, 4)),
        fused_featurizer=TowerConfig((4, 4, 4, 4)),
    ),
    geometry=GeometryConfig(width=16, blocks=1, tokens=1, lifter_width=8),
    decoder=DecoderConfig(hidden_size=32, layers=2, heads=2, intermediate_size=64),
    vocabulary_size=VOCABULARY.padded_size,
)


def random_model(seed: int) -> KineVLAModel:
    torch.manual_seed(seed)
    model = KineVLAModel(MODEL).eval()
    # Large random weights: every position then has a clear favourite that depends on all ids before it.
    with torch.no_grad():
        for parameter in model.language_model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.25)
    return model


def observation(seed: int) -> torch.Tensor:
    return torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(seed))


PROMPT = BUILDER.prompt(TASKS[0].instruction)


def slow_greedy(model: KineVLAModel, tokens: torch.Tensor) -> tuple[int, ...]:
    """Reference: no cache, no draft, one id per full forward pass."""
    cursor = Cursor(GRAMMAR)
    with torch.no_grad():
        while not cursor.done:
            token = cursor.determined()
            if token is None:
                ids = [VOCABULARY.bos]
                start = model.embed_ids(torch.tensor([ids]))
                rest = model.embed_ids(torch.tensor([[*PROMPT, *cursor.written]]))
                scores = model.logits(model.hidden_states(torch.cat([start, tokens, rest], 1)))[0, -1]
                allowed, extra = cursor.admissible()
                candidates = [*allowed, *([extra] if extra is not None else [])]
                token = max(candidates, key=lambda index: float(scores[index]))
            cursor.advance(token)
    return tuple(cursor.written)


def spoil(values: tuple[int, ...], keep: float, limit: int) -> tuple[int, ...]:
    """Change all ids after the first `keep` share."""
    start = round(len(values) * keep)
    return tuple(v if i < start else 4 + (v + 1) % (limit - 4) for i, v in enumerate(values))


def draft_like(answer: Generation, keep: float) -> Draft:
    return Draft(
        spoil(answer.goal_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % 16 for c in answer.goal_codes),
        spoil(answer.kinematics_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % 16 for c in answer.kinematics_codes),
    )


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
    sequence = BUILDER.build(task.instruction, task.coarse, task.fine, [3, 4], [5, 6])
    cursor = Cursor(GRAMMAR)
    answer = sequence.ids[sequence.prompt_length :]
    unbounded = Cursor(dataclasses.replace(GRAMMAR, max_text_tokens=128))
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
    sequence = BUILDER.build(task.instruction, task.coarse, task.fine, [0, 1], [2, 3])
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
    with pytest.raises(ValueError, match="outside the vocabulary"):
        BUILDER.text("banana")
    with pytest.raises(ValueError, match="2 goal and 2 kinematics"):
        BUILDER.build("pick up the bread", "move the bread", "the carrot", [1], [2, 3])
