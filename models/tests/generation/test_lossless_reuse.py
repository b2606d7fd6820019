"""A draft must never change one id of the answer, whatever it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.checkpoint import CheckpointParts, load_checkpoint
from kinevla.generation.answer import Generation
from kinevla.generation.draft import Draft, following
from kinevla.policy import answerer, embedded_prompt

from .tiny import GRAMMAR, MODELS, PROMPT, TASKS, VOCABULARY, generator, observation, random_model

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
SHORT = dataclasses.replace(GRAMMAR, max_text_tokens=10)


def perturb(ids: tuple[int, ...], rng: np.random.Generator, low: int, high: int) -> tuple[int, ...]:
    """Delete, insert, replace or truncate, or leave the ids as they are."""
    kind = rng.integers(6)
    place = int(rng.integers(len(ids) + 1))
    new = int(rng.integers(low, high))
    if kind == 0:
        return ids[:place] + ids[place + 1 :]
    if kind == 1:
        return (*ids[:place], new, *ids[place:])
    if kind == 2:
        return (*ids[:place], new, *ids[place + 1 :])
    if kind == 3:
        return ids[:place]
    return ids if kind == 4 else ()


def perturbed(draft: Draft, rng: np.random.Generator) -> Draft:
    """Change every part of a draft, now and then beyond what ids and codes can be."""
    text, codes = (0, VOCABULARY.padded_size + 5), (-2, VOCABULARY.codebook_size + 3)
    return Draft(
        perturb(draft.goal_text, rng, *text), perturb(draft.goal_codes, rng, *codes),
        perturb(draft.kinematics_text, rng, *text), perturb(draft.kinematics_codes, rng, *codes),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["motion", "towers"])
def test_reuse_equals_greedy_decoding_on_300_observations(kind: str) -> None:
    model, rng = random_model(0, kind), np.random.default_rng(0)
    plain = generator(model, SHORT)
    reuse = generator(model, SHORT)
    previous: Generation | None = None
    passes = [0, 0]
    for seed in range(300):
        tokens = observation(seed)
        answer = plain.generate(tokens, PROMPT)
        # One in four drafts is the answer to the observation before, the others are this answer, spoilt.
        source = previous if previous is not None and seed % 4 == 0 else answer
        again = reuse.generate(tokens, PROMPT, perturbed(source.draft, rng))
        assert again.ids == answer.ids, seed
        assert again.forward_passes <= answer.forward_passes
        passes = [passes[0] + answer.forward_passes, passes[1] + again.forward_passes]
        previous = answer
    assert passes[1] < 0.7 * passes[0]


_BASE = random_model(1)
_ANSWERS = [generator(_BASE, GRAMMAR).generate(observation(seed), PROMPT) for seed in range(3)]
_IDS = st.integers(-1, VOCABULARY.padded_size + 1)


@st.composite
def corrupted(draw: st.DrawFn, ids: tuple[int, ...], values: st.SearchStrategy[int]) -> tuple[int, ...]:
    """Any edits of ids."""
    changed = list(ids)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(changed)))
        edit = draw(st.sampled_from(["delete", "insert", "replace", "truncate", "empty"]))
        if edit == "insert":
            changed.insert(place, draw(values))
        elif edit == "truncate":
            del changed[place:]
        elif edit == "empty":
            changed.clear()
        elif place < len(changed):
            changed[place : place + 1] = [draw(values)] if edit == "replace" else []
    return tuple(changed)


@st.composite
def corrupted_drafts(draw: st.DrawFn) -> Draft:
    """Drafts made from one of three answers, each part possibly from another one."""
    sources = [draw(st.sampled_from(_ANSWERS)) for _ in range(4)]
    codes = st.integers(-1, 17)
    return Draft(
        draw(corrupted(sources[0].goal_text, _IDS)), draw(corrupted(sources[1].goal_codes, codes)),
        draw(corrupted(sources[2].kinematics_text, _IDS)),
        draw(corrupted(sources[3].kinematics_codes, codes)),
    )  # fmt: skip


@settings(max_examples=120, deadline=None, derandomize=True)
@given(draft=corrupted_drafts(), which=st.integers(0, 2))
def test_no_corruption_of_a_draft_changes_the_answer(draft: Draft, which: int) -> None:
    answer = generator(_BASE, GRAMMAR).generate(observation(which), PROMPT, draft)
    assert answer.ids == _ANSWERS[which].ids
    assert answer.forward_passes <= _ANSWERS[which].forward_passes
    for name in ("goal", "kinematics"):
        same = bool(draft.of("text", name)) and draft.of("text", name) == answer.draft.of("text", name)
        assert getattr(answer, f"{name}_text_reused") == same


@pytest.mark.parametrize(
    ("written", "words", "expected"),
    [
        ((1, 2, 3), (1, 2, 3, 4, 5), 3),
        ((1, 9, 3), (1, 2, 3, 4, 5), 3),
        ((1, 9, 2, 3), (1, 2, 3, 4, 5), 3),
        ((1, 3), (1, 2, 3, 4, 5), 3),
        ((1, 2, 3), (), 0),
        ((9, 9, 9), (1, 2), 2),
    ],
)
def test_a_draft_is_followed_again_after_words_changed_added_or_left_out(
    written: tuple[int, ...], words: tuple[int, ...], expected: int
) -> None:
    assert following(written, words) == expected


def test_one_changed_word_does_not_cost_the_rest_of_the_draft() -> None:
    answer = _ANSWERS[0]
    text = list(answer.goal_text)
    assert len(text) >= 16
    text[4] = text[4] + 1 if text[4] + 1 < VOCABULARY.text_size else 4
    draft = dataclasses.replace(answer.draft, goal_text=tuple(text))
    again = generator(_BASE, GRAMMAR).generate(observation(0), PROMPT, draft)
    assert again.ids == answer.ids
    assert again.forward_passes <= _ANSWERS[0].forward_passes / 4


@pytest.fixture(scope="module")
def nano() -> CheckpointParts:
    return load_checkpoint(NANO)


def test_the_shipped_policy_answers_the_same_with_every_draft(nano: CheckpointParts) -> None:
    model, made, rng = nano.model, answerer(nano), np.random.default_rng(1)
    size = model.config.vision.image_size
    drafts: list[Draft] = []
    for index, task in enumerate(TASKS[::2]):
        images = torch.from_numpy(rng.integers(0, 256, (1, 2, size, size, 3), dtype=np.uint8))
        state = torch.from_numpy(rng.uniform(-1, 1, (1, 8)).astype(np.float32))
        with torch.inference_mode():
            seen = model.observe(model.features(images), state)
        prompt = embedded_prompt(nano, task.instruction)
        plain = made.generate(seen, prompt)
        for draft in [plain.draft, *drafts, perturbed(plain.draft, rng)]:
            assert made.generate(seen, prompt, draft).ids == plain.ids, index
        again = made.generate(seen, prompt, plain.draft)
        assert again.goal_text_reused and again.kinematics_text_reused
        assert again.forward_passes == 2
        drafts = [plain.draft]


@pytest.mark.parametrize("kind", MODELS)
def test_reuse_in_half_precision_gives_a_valid_answer_too(kind: str) -> None:
    torch.manual_seed(0)
    made = generator(KineVLAModel(MODELS[kind]).eval().to(torch.bfloat16), SHORT)
    seen = observation(0)
    half = Seen(seen.tokens.bfloat16(), tuple(look.bfloat16() for look in seen.looks))
    plain = made.generate(half, PROMPT)
    again = made.generate(half, PROMPT, plain.draft)
    for answer in (plain, again):
        assert answer.ids[-1] == VOCABULARY.eos
        assert len(answer.goal_codes) == len(answer.kinematics_codes) == 2
