"""One forward pass of training: features of a batch in, the three losses of the paper out.

Each term is a function of its own: `reasoning_term` (eq. 4), `action_term` (eq. 5), `coupling_term` (eq. 6
and 7), and `flow_term`, which takes the place of the action term with the flow head; `policy_loss` adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import TokenBatch
from kinevla.training.losses import coupling_loss, pooled, token_cross_entropy


class Positions(NamedTuple):
    """By how many positions the two cross-entropies of a part of a batch are divided.

    A batch may be computed in parts (accumulation steps, processes) that hold unequal numbers of positions.
    With the number of the whole batch divided by the number of parts, the mean over the parts is exactly the
    mean over the positions of the whole batch. The flow head's loss needs no divisor: all parts hold equally
    many chunks.
    """

    reasoning: float
    action: float


class PolicyLoss(NamedTuple):
    """Total and its parts, each a scalar: eq. 4, eq. 5, eq. 7 and the readout's choice (not yet weighted)."""

    total: Tensor
    reasoning: Tensor
    action: Tensor
    coupling: Tensor
    choice: Tensor


class SequenceStates(NamedTuple):
    """What the decoder made of ``BOS | observation | ids``.

    Attributes:
        before: (B, L, hidden), entry j is the state that predicts id j.
        at: (B, L, hidden), entry j is the state at id j itself.
        whole: (B, 1 + V + L, hidden), all states, BOS and the V observation tokens first.
        observation: (B, V, hidden), the observation tokens themselves.
    """

    before: Tensor
    at: Tensor
    whole: Tensor
    observation: Tensor


def sequence_states(
    model: KineVLAModel, features: VisualFeatures, state: Tensor, ids: Tensor, bos: int
) -> SequenceStates:
    """Run ``BOS | observation | ids`` through the decoder.

    Args:
        model: the network.
        features: visual features of the B samples.
        state: (B, D) measured.
        ids: (B, L), padded on the right.
        bos: id before the observation.
    """
    observation = model.observe(features, state)
    tokens = model.embed_ids(ids)
    start = model.embed_ids(torch.full((len(ids), 1), bos, dtype=torch.long, device=ids.device))
    whole = model.hidden_states(
        torch.cat([start.to(tokens.dtype), observation.to(tokens.dtype), tokens], dim=1)
    )
    first = whole.shape[1] - ids.shape[1]
    return SequenceStates(whole[:, first - 1 : -1], whole[:, first:], whole, observation)


def prefix_mask(model: KineVLAModel, states: SequenceStates, ids: Tensor) -> Tensor:
    """Return which of `states.whole` the flow head may read, all but the padding: (B, 1 + V + L) bool."""
    first = states.whole.shape[1] - ids.shape[1]
    ahead = torch.ones(len(ids), first, dtype=torch.bool, device=ids.device)
    return torch.cat([ahead, ids != model.pad_id], dim=1)


def reasoning_term(
    model: KineVLAModel, states: SequenceStates, batch: TokenBatch, spoken: Tensor, divisor: float | None
) -> Tensor:
    """Eq. 4: cross-entropy of both levels' reasoning ids, each given the observation and all ids before it.

    Args:
        model: the network.
        states: from `sequence_states`.
        batch: the sequences.
        spoken: (B, L) positions that count: texts with their delimiters.
        divisor: see `token_cross_entropy`.
    """
    return token_cross_entropy(model.logits(states.before[spoken]), batch.ids[spoken], divisor)


def code_logits(
    model: KineVLAModel, states: SequenceStates, ids: Tensor, positions: Tensor, blocks: Sequence[range]
) -> Tensor:
    """Return scores (B, P, vocabulary) at the first P code positions, the readout's included.

    Args:
        model: the network.
        states: from `sequence_states`.
        ids: (B, L) with the codes before the last of these positions.
        positions: (B, P) places of the codes.
        blocks: ids of each stage's codes, P of them are read; only used with a readout.
    """
    rows = torch.arange(len(ids), device=ids.device).unsqueeze(1)
    hidden = states.before[rows, positions]
    scores = model.logits(hidden).float()
    if model.code_readout is None:
        return scores
    first = torch.tensor([block.start for block in blocks[: positions.shape[1]]], device=ids.device)
    codes = ids[rows, positions] - first
    motion = model.code_scores(hidden, states.observation, codes[:, :-1])
    assert motion is not None
    padded = [
        functional.pad(motion[:, stage], (block.start, scores.shape[-1] - block.stop))
        for stage, block in enumerate(blocks[: positions.shape[1]])
    ]
    return scores + torch.stack(padded, dim=1)


def action_term(
    model: KineVLAModel,
    states: SequenceStates,
    batch: TokenBatch,
    divisor: float | None,
    blocks: Sequence[range] = (),
) -> Tensor:
    """Eq. 5: cross-entropy of both levels' action codes, each given the observation and all ids before it.

    Args:
        model: the network.
        states: from `sequence_states`.
        batch: the sequences.
        divisor: see `token_cross_entropy`.
        blocks: ids of each stage's codes; needed with a readout.
    """
    logits = code_logits(model, states, batch.ids, batch.code_positions, blocks)
    return token_cross_entropy(logits.flatten(0, 1), batch.code_labels.flatten(), divisor)


def choice_term(model: KineVLAModel, states: SequenceStates, batch: TokenBatch, shares: Tensor) -> Tensor:
    """Divergence of the readout's choice from the geometry tokens that make each code's motion (ours).

    Args:
        model: the network, with a readout.
        states: from `sequence_states`.
        batch: the sequences.
        shares: (tasks, M, G), from `stage_shares`.
    """
    assert model.code_readout is not None
    rows = torch.arange(len(batch.ids), device=batch.ids.device).unsqueeze(1)
    logits = model.code_readout.choice(states.before[rows, batch.code_positions])
    wanted = shares[batch.task]
    return functional.kl_div(logits.log_softmax(-1), wanted, reduction="none").sum(-1).mean()


def flow_term(
    model: KineVLAModel,
    states: SequenceStates,
    batch: TokenBatch,
    generator: torch.Generator | None,
) -> Tensor:
    """Flow-matching loss of the chunks given the whole sequence: the baseline's action term (`kinevla.flow`).

    Raises:
        ValueError: the network has no flow head.
    """
    if model.flow_head is None:
        raise ValueError("action_head 'flow' needs a network with a flow head")
    mask = prefix_mask(model, states, batch.ids)
    return model.flow_head.loss(states.whole, mask, batch.chunks.float(), generator)


def coupling_term(
    model: KineVLAModel,
    states: SequenceStates,
    batch: TokenBatch,
    config: PolicyTrainConfig,
    gather: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """Eq. 6 and 7: symmetric InfoNCE between the pooled words of both texts and the pooled codes.

    The embeddings t_i = f_T(T_i, C_i) and a_i = f_A(A_i, C_i) are linear maps of decoder states, which depend
    on the observation and on everything before them.
    """
    rows = torch.arange(len(batch.ids), device=batch.ids.device).unsqueeze(1)
    text = model.coupling_reasoning(pooled(states.at, batch.span))
    motion = model.coupling_action(states.at[rows, batch.code_positions].mean(1))
    task = batch.task
    if gather is not None:
        text, motion, task = gather(text), gather(motion), gather(task)
    return coupling_loss(text, motion, task, config.temperature, config.coupling_negatives)


def policy_loss(
    model: KineVLAModel,
    features: VisualFeatures,
    state: Tensor,
    batch: TokenBatch,
    bos: int,
    config: PolicyTrainConfig,
    *,
    positions: Positions | None = None,
    gather: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
    blocks: Sequence[range] = (),
    shares: Tensor | None = None,
) -> PolicyLoss:
    """Compute the training objective of a batch (differentiable); a term that is off is zero.

    Args:
        model: the network.
        features: visual features of the B samples.
        state: (B, D) measured.
        batch: their sequences.
        bos: id before the observation.
        config: which terms, with which weights.
        positions: with a part of a larger batch: divisors of the cross-entropies. The caller has then chosen
            the rows whose `batch.reasoning` is set; without it the first `reasoning_loss_fraction` of the
            rows carry the reasoning loss and each term is the mean over its positions.
        gather: joins the rows (B, ...) of all processes, with gradients, for the comparison of eq. 7.
        generator: source of the flow head's noise and times (on the CPU); None for the global one.
        blocks: ids of each stage's codes; needed with a readout.
        shares: (tasks, M, G) geometry tokens in the motion of each code, None for no such loss.

    Raises:
        ValueError: settings ask for the flow head and the network has none.
    """
    states = sequence_states(model, features, state, batch.ids, bos)
    spoken = batch.reasoning.clone()
    if positions is None:
        spoken[max(1, round(len(spoken) * config.reasoning_loss_fraction)) :] = False
    reasoning = action = coupling = choice = states.whole.new_zeros((), dtype=torch.float32)
    if config.reasoning and config.reasoning_loss:
        reasoning = reasoning_term(model, states, batch, spoken, positions.reasoning if positions else None)
    if config.action_loss and config.action_head == "flow":
        action = flow_term(model, states, batch, generator)
    elif config.action_loss:
        action = action_term(model, states, batch, positions.action if positions else None, blocks)
    if config.coupling_weight > 0.0 and config.reasoning:
        coupling = coupling_term(model, states, batch, config, gather)
    if shares is not None and config.choice_weight > 0.0 and model.code_readout is not None:
        choice = choice_term(model, states, batch, shares)
    total = reasoning + action + config.coupling_weight * coupling + config.choice_weight * choice
    return PolicyLoss(total, reasoning, action, coupling, choice)
