from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from kinevla.actions import ActionNormaliser, BinTokenizer, TokenizerError
from kinevla.data.chunks import ChunkConfig
from kinevla.generation.draft import Draft
from kinevla.generation.generator import Generator
from kinevla.generation.grammar import Cursor
from kinevla.generation.sequence import SequenceBuilder
from kinevla.generation.spelling import Spelling

from .tiny import (
    BUILDER,
    GRAMMAR,
    MODELS,
    PROMPT,
    SMALL,
    TASKS,
    TOKENIZER,
    VOCABULARY,
    actions,
    draft_like,
    generator,
    observation,
    prompt,
    random_model,
    slow_greedy,
    spelling,
)

GOAL, FINE = BUILDER.text("move the bread"), BUILDER.text("the carrot")
# The small grammar's limit is below the length of the annotated texts.
WIDE = SequenceBuilder(TOKENIZER, dataclasses.replace(GRAMMAR, max_text_tokens=128))


KINDS = pytest.mark.parametrize("kind", MODELS)


@KINDS
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generation_equals_greedy_decoding_without_cache(seed: int, kind: str) -> None:
    model = random_model(seed, kind)
    answer = generator(model).generate(observation(seed), PROMPT)
    assert answer.ids == slow_greedy(model, observation(seed))


@KINDS
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_a_draft_changes_the_time_but_not_one_id(keep: float, kind: str) -> None:
    for seed in range(3):
        model = random_model(seed, kind)
        plain = generator(model).generate(observation(seed), PROMPT)
        drafted = generator(model).generate(observation(seed), PROMPT, draft_like(plain, keep))
        assert drafted.ids == plain.ids
        assert drafted.forward_passes <= plain.forward_passes
        assert drafted.goal_text_reused == (keep == 1.0 and plain.goal_text != ())
        assert drafted.surprise == pytest.approx(plain.surprise, rel=1e-4)


def test_an_unchanged_text_costs_one_pass_and_its_codes_what_they_need() -> None:
    for kind, passes in (("motion", 2), ("codes", 6), ("towers", 4)):
        made = generator(random_model(0, kind))
        plain = made.generate(observation(0), PROMPT)
        assert made.generate(observation(0), PROMPT, plain.draft).forward_passes == passes, kind


@KINDS
def test_a_draft_of_another_observation_is_harmless(kind: str) -> None:
    made = generator(random_model(1, kind))
    other = made.generate(observation(7), PROMPT).draft
    plain = made.generate(observation(8), PROMPT)
    assert made.generate(observation(8), PROMPT, other).ids == plain.ids


@KINDS
@pytest.mark.parametrize("seed", range(4))
def test_random_weights_still_give_an_answer_of_the_right_form(seed: int, kind: str) -> None:
    answer = generator(random_model(seed, kind)).generate(observation(seed), PROMPT)
    assert answer.ids[0] == VOCABULARY.delimiter("<goal>")
    assert answer.ids[-1] == VOCABULARY.eos
    assert len(answer.goal_codes) == 2 and len(answer.kinematics_codes) == 2
    assert all(0 <= code < 16 for code in answer.goal_codes + answer.kinematics_codes)
    assert all(4 <= token < VOCABULARY.text_size for token in answer.goal_text + answer.kinematics_text)
    assert len(answer.goal_text) <= 24
    marks = [token for token in answer.ids if 0 <= token - VOCABULARY.delimiter_start < 8]
    assert marks == list(range(VOCABULARY.delimiter_start, VOCABULARY.delimiter_start + 8))
    ids = [token for token in answer.ids if token >= VOCABULARY.code_start]
    for level, token in zip(VOCABULARY.levels(), ids, strict=True):
        assert token in VOCABULARY.block(level)


@KINDS
def test_forced_reasoning_stands_in_the_answer_and_counts_as_not_reused(kind: str) -> None:
    forced = {"goal": BUILDER.text("move the bread"), "kinematics": BUILDER.text("the carrot")}
    draft = Draft(goal_text=forced["goal"])
    answer = generator(random_model(0, kind)).generate(observation(0), PROMPT, draft, forced)
    assert answer.goal_text == forced["goal"]
    assert answer.kinematics_text == forced["kinematics"]
    assert not answer.goal_text_reused
    assert answer.forward_passes == (0 if kind == "motion" else 4)
    assert answer.surprise == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["codes", "towers"])
def test_without_reasoning_only_codes_are_generated(kind: str) -> None:
    grammar = dataclasses.replace(GRAMMAR, reasoning=False)
    model = random_model(0, kind)
    answer = generator(model, grammar).generate(observation(0), PROMPT)
    assert len(answer.ids) == 4 + 4 + 1
    assert answer.goal_text == ()
    assert answer.ids == slow_greedy(model, observation(0), grammar=grammar)


def test_without_reasoning_the_codes_see_the_instruction() -> None:
    grammar = dataclasses.replace(GRAMMAR, reasoning=False)
    made = generator(random_model(2, "codes"), grammar)
    assert len({made.generate(observation(2), prompt(n)).ids for n in range(6)}) > 1


def test_a_readout_without_reasoning_is_refused() -> None:
    with pytest.raises(ValueError, match="needs reasoning"):
        generator(random_model(0, "motion"), dataclasses.replace(GRAMMAR, reasoning=False))


@pytest.mark.parametrize("kind", SMALL)
def test_codes_follow_from_what_is_written_and_not_from_the_instruction(kind: str) -> None:
    model = random_model(2, kind)
    made, forced = generator(model), {"goal": GOAL, "kinematics": FINE}
    answers = [made.generate(observation(2), prompt(n, 5 + n), forced=forced) for n in range(4)]
    assert len({answer.ids for answer in answers}) == 1
    swapped = {"goal": FINE, "kinematics": GOAL}
    codes = [
        made.generate(observation(n), PROMPT, forced=chosen).draft
        for chosen in (forced, swapped)
        for n in range(4)
    ]
    told, other = codes[:4], codes[4:]
    assert [(d.goal_codes, d.kinematics_codes) for d in told] != [
        (d.goal_codes, d.kinematics_codes) for d in other
    ]


@KINDS
def test_texts_follow_from_the_instruction(kind: str) -> None:
    made = generator(random_model(2, kind))
    assert len({made.generate(observation(2), prompt(n)).goal_text for n in range(4)}) > 1


def test_a_network_of_one_sequence_reads_the_instruction_for_its_codes() -> None:
    made, forced = generator(random_model(2, "towers")), {"goal": GOAL, "kinematics": FINE}
    assert len({made.generate(observation(2), prompt(n), forced=forced).ids for n in range(4)}) > 1


def test_surprise_is_that_of_the_least_likely_word_among_the_words_allowed() -> None:
    model = random_model(4)
    answer = generator(model).generate(observation(4), PROMPT)
    start = model.embed_ids(torch.tensor([VOCABULARY.bos]))
    ids = torch.tensor(answer.ids)
    sequence = torch.cat([start, observation(4).tokens[0], PROMPT, model.embed_ids(ids)])
    scores = model.logits(model.hidden_states(sequence[None])[0, len(start) + 5 + len(PROMPT) - 1 : -1])
    for name, expected in zip(("goal", "kin"), answer.surprise, strict=True):
        end = VOCABULARY.delimiter(f"</{name}>")
        first, last = answer.ids.index(VOCABULARY.delimiter(f"<{name}>")) + 1, answer.ids.index(end)
        allowed = [*range(4, VOCABULARY.text_ids_end), end]
        # Where the text is as long as it may be, nothing but its end is possible.
        places = range(first, last + (last - first < GRAMMAR.max_text_tokens))
        doubts = [float(scores[i, allowed].logsumexp(0) - scores[i, ids[i]]) for i in places]
        assert expected == pytest.approx(max(doubts), rel=1e-3)


def test_a_network_with_a_readout_needs_the_spelling_of_its_codes() -> None:
    with pytest.raises(ValueError, match="needs the spelling"):
        Generator(random_model(0), GRAMMAR)
    with pytest.raises(TokenizerError, match="'bins' do not sum up"):
        normaliser = ActionNormaliser.fit(np.array([[-1.0, 0.0], [1.0, 1.0]]))
        Spelling(BinTokenizer(normaliser, ChunkConfig(horizon=2), 0.1, codebook_size=16))


def test_a_motion_is_spelt_as_the_tokenizer_itself_would() -> None:
    tokenizer = actions()
    chunks = np.random.default_rng(0).normal(0.0, 0.5, (50, 5, 8))
    normalised = torch.from_numpy(tokenizer.normaliser.normalise(chunks)).float()
    codes = tokenizer.encode(chunks)
    none = torch.zeros(50, 0, dtype=torch.long)
    assert spelling().spell(normalised, none, 4).tolist() == codes.tolist()
    goal = torch.from_numpy(codes[:, :2])
    assert spelling().spell(normalised, goal, 2).tolist() == codes[:, 2:].tolist()
    # Kinematics codes make up for goal codes of another motion.
    other = goal.roll(1, 0)
    repaired = spelling().spell(normalised, other, 2)
    latents = tokenizer.network.encode_latent(normalised).detach()
    left = latents - tokenizer.network.latent_of_codes(torch.cat([other, repaired], 1))
    unaware = latents - tokenizer.network.latent_of_codes(
        torch.cat([other, torch.from_numpy(codes[:, 2:])], 1)
    )
    assert float(left.norm(dim=1).mean()) < float(unaware.norm(dim=1).mean())


def test_the_training_sequence_is_what_generation_would_write() -> None:
    task = TASKS[3]
    sequence = WIDE.build(task.instruction, task.coarse, task.fine, [3, 4], [5, 6])
    cursor = Cursor(GRAMMAR)
    answer = sequence.ids[len(WIDE.prompt(task.instruction)) :]
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
    prompt_length = len(WIDE.prompt(task.instruction))
    for index in range(len(sequence.ids)):
        roles = sequence.reasoning[index] + sequence.action[index]
        assert roles == (0 if index < prompt_length else 1)
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
    with pytest.raises(ValueError, match=r"^'banana', 'cherry': outside the vocabulary"):
        BUILDER.text("the banana bread cherry banana")
    with pytest.raises(ValueError, match="id 2 is no text"):
        BUILDER.text("the bread </s>")
    with pytest.raises(ValueError, match="2 goal and 2 kinematics"):
        BUILDER.build("pick up the bread", "move the bread", "the carrot", [1], [2, 3])
    with pytest.raises(ValueError, match="goal reasoning has 25 ids, the grammar allows 24"):
        BUILDER.build("pick up the bread", "the" + " the" * 24, "the carrot", [1, 1], [2, 3])
