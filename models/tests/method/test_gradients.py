"""Which parameters each term of the objective teaches, and that each can be switched off."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Sample, make_sample

# Groups of parameters by the beginnings of their names.
DECODER = ("language_model.model.layers", "language_model.model.norm")
EMBEDDING, HEAD = ("language_model.model.embed_tokens",), ("language_model.lm_head",)
OBSERVATION, TOWERS = ("projector", "observation"), ("vision_backbone",)
SIGHT, READOUT, INSTRUCTION = ("sight", "observation"), ("readout",), ("instruction",)
TEXT_MAP, CODE_MAP, FLOW = ("coupling_reasoning",), ("coupling_action",), ("flow_head",)


def taught(sample: Sample, term: torch.Tensor, group: tuple[str, ...]) -> set[bool]:
    """Whether the parameters of a group get a gradient that is not zero."""
    sample.model.zero_grad()
    term.backward(retain_graph=True)
    chosen = [p for name, p in sample.model.named_parameters() if name.startswith(group)]
    assert chosen, group
    return {p.grad is not None and bool(p.grad.any()) for p in chosen}


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample("towers")


@pytest.fixture(scope="module")
def small() -> Sample:
    return make_sample("motion")


def test_what_is_written_teaches_all_that_was_read_but_not_the_readout(small: Sample) -> None:
    loss = small.loss().reasoning
    for group in (DECODER, EMBEDDING, HEAD, INSTRUCTION):
        assert taught(small, loss, group) == {True}, group
    assert True in taught(small, loss, SIGHT)
    for group in (READOUT, TEXT_MAP, CODE_MAP):
        assert taught(small, loss, group) == {False}, group


def test_the_motion_teaches_readout_and_sight_and_nothing_that_reads_the_instruction(
    small: Sample,
) -> None:
    loss = small.loss().action
    assert taught(small, loss, READOUT) == {True}
    assert True in taught(small, loss, SIGHT)
    for group in (INSTRUCTION, DECODER, HEAD, TEXT_MAP, CODE_MAP):
        assert taught(small, loss, group) == {False}, group


def test_what_the_goal_leaves_open_is_not_learned_where_the_kinematics_decide(small: Sample) -> None:
    goal = small.model.read(torch.tensor([[5, 6]]).expand(4, -1), small.seen(), 0)
    learned = goal.motion.sum() + goal.keyframe.sum()
    assert taught(small, learned, ("readout.0",)) == {True}
    assert taught(small, learned, ("readout.1",)) == {False}


def test_the_total_teaches_every_parameter_of_the_small_network(small: Sample) -> None:
    assert taught(small, small.loss().total, ("",)) == {True}


def test_the_motion_depends_on_what_is_written(small: Sample) -> None:
    other = make_sample("motion")
    before = float(other.loss().action)
    other.batch.ids[other.batch.span] = other.batch.ids[other.batch.span].roll(7)
    assert abs(float(other.loss().action) - before) > 1e-6


@pytest.mark.parametrize("term", ["reasoning", "action"])
def test_a_cross_entropy_teaches_decoder_head_and_observation_but_no_projection_of_the_coupling(
    sample: Sample, term: str
) -> None:
    loss = getattr(sample.loss(), term)
    for group in (DECODER, EMBEDDING, HEAD):
        assert taught(sample, loss, group) == {True}, group
    assert True in taught(sample, loss, OBSERVATION)
    for group in (TEXT_MAP, CODE_MAP, TOWERS):
        assert taught(sample, loss, group) == {False}, group


def test_the_coupling_teaches_both_projections_and_the_decoder_but_not_the_head(sample: Sample) -> None:
    loss = sample.loss().coupling
    for group in (TEXT_MAP, CODE_MAP):
        assert True in taught(sample, loss, group), group
    assert taught(sample, loss, DECODER) == {True}
    for group in (HEAD, TOWERS):
        assert taught(sample, loss, group) == {False}, group


def test_frozen_towers_get_no_gradient_from_the_total(sample: Sample) -> None:
    assert taught(sample, sample.loss().total, TOWERS) == {False}


def test_the_reasoning_term_of_a_row_teaches_the_embeddings_that_row_reads_and_no_others(
    sample: Sample,
) -> None:
    # A quarter of four rows carries the reasoning loss: the first.
    sample.model.zero_grad()
    sample.loss(reasoning_loss_fraction=0.25).reasoning.backward()
    gradient = sample.model.language_model.model.embed_tokens.weight.grad
    assert gradient is not None
    vocabulary = sample.vocabulary
    # The end is predicted and never read; all codes are read by the delimiters behind them.
    read = {int(i) for i in sample.batch.ids[0]} - {vocabulary.eos, vocabulary.pad} | {vocabulary.bos}
    assert set(gradient.any(dim=1).nonzero().flatten().tolist()) == read


def test_the_flow_loss_teaches_head_decoder_and_observation_but_not_the_vocabulary_head() -> None:
    sample = make_sample("towers", flow=True)
    for name, parameter in sample.model.named_parameters():
        if "modulation" in name:  # Gates start at zero and would hide what lies behind them.
            torch.nn.init.normal_(parameter, std=0.2)
    loss = sample.loss(action_head="flow", coupling_weight=0.0)
    assert float(loss.total) == pytest.approx(0.5 * float(loss.reasoning) + float(loss.action), rel=1e-6)
    for group in (DECODER, EMBEDDING):
        assert taught(sample, loss.action, group) == {True}, group
    for group in (FLOW, OBSERVATION):
        assert True in taught(sample, loss.action, group), group
    for group in (HEAD, TOWERS, TEXT_MAP, CODE_MAP):
        assert taught(sample, loss.action, group) == {False}, group
    assert taught(sample, loss.reasoning, FLOW) == {False}


def test_the_flow_loss_is_the_heads_own_on_the_unpadded_sequence() -> None:
    sample = make_sample("towers", flow=True, reasoning=False)
    loss = sample.loss(action_head="flow", coupling_weight=0.0, reasoning=False)
    model, ids, total = sample.model, sample.batch.ids, 0.0
    assert model.flow_head is not None
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 5, 8, generator=generator)
    time = 0.001 + 0.999 * torch.rand(4, generator=generator) ** (1 / 1.5)
    observation = sample.seen().tokens
    for row in range(4):
        kept = ids[row][ids[row] != sample.vocabulary.pad]
        tokens = model.embed_ids(torch.cat([torch.tensor([sample.vocabulary.bos]), kept])[None])
        sequence = torch.cat([tokens[:, :1], observation[row : row + 1], tokens[:, 1:]], dim=1)
        hidden = model.hidden_states(sequence)
        chunk, t = sample.batch.chunks[row], time[row]
        point = t * noise[row] + (1 - t) * chunk
        velocity = model.flow_head.expert(
            point[None], t[None], model.flow_head.expert.read(hidden), torch.ones(1, hidden.shape[1]).bool()
        )
        total += float(((velocity[0] - (noise[row] - chunk)) ** 2).mean()) / 4
    assert float(loss.action) == pytest.approx(total, rel=1e-4)
    assert float(loss.reasoning) == 0.0


@pytest.mark.parametrize(
    ("change", "term"),
    [({"reasoning_loss": False}, "reasoning"), ({"action_loss": False}, "action"),
     ({"coupling_weight": 0.0}, "coupling")],
)  # fmt: skip
def test_each_term_can_be_switched_off_and_leaves_the_others_as_they_are(
    sample: Sample, change: dict[str, Any], term: str
) -> None:
    whole, part = sample.loss(), sample.loss(**change)
    for name in ("reasoning", "action", "coupling"):
        expected = 0.0 if name == term else float(getattr(whole, name))
        assert float(getattr(part, name)) == pytest.approx(expected, rel=1e-6), name
    weights = {"reasoning": 0.5, "action": 1.0, "coupling": 0.1}
    rest = sum(weights[name] * float(getattr(whole, name)) for name in weights if name != term)
    assert float(part.total) == pytest.approx(rest, rel=1e-5)


def test_a_coupling_with_the_flow_head_is_refused() -> None:
    with pytest.raises(ValueError, match=r"coupling_weight must be 0, got 0\.1"):
        make_sample(flow=True).loss(action_head="flow", coupling_weight=0.1)


def test_all_negatives_make_equal_texts_repel_each_other(sample: Sample) -> None:
    sample.batch.text.zero_()
    assert float(sample.loss().coupling) == pytest.approx(0.0, abs=1e-6)
    assert float(sample.loss(coupling_negatives="all").coupling) > 0.1
    sample.batch.text.copy_(torch.arange(4))
