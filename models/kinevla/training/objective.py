"""One forward pass of training: embeddings of a batch in, the three losses of the paper out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import TokenBatch
from kinevla.training.losses import coupling_loss, pooled, token_cross_entropy


class PolicyLoss(NamedTuple):
    """Total and its parts, each a scalar: eq. 4, eq. 5 and eq. 7 (not yet weighted)."""

    total: Tensor
    reasoning: Tensor
    action: Tensor
    coupling: Tensor


def sequence_hidden(
    model: KineVLAModel, features: VisualFeatures, state: Tensor, ids: Tensor, bos: int
) -> tuple[Tensor, Tensor]:
    """Run ``BOS | observation | ids`` through the decoder.

    Returns:
        `before` (B, L, hidden), where entry j is the state that predicts id j, and `at` (B, L, hidden), where
        entry j is the state at id j itself.
    """
    observation = model.observe(features, state)
    tokens = model.embed_ids(ids)
    start = model.embed_ids(torch.full((len(ids), 1), bos, dtype=torch.long))
    hidden = model.hidden_states(
        torch.cat([start.to(tokens.dtype), observation.to(tokens.dtype), tokens], dim=1)
    )
    count = ids.shape[1]
    return hidden[:, -count - 1 : -1], hidden[:, -count:]


def policy_loss(
    model: KineVLAModel,
    features: VisualFeatures,
    state: Tensor,
    batch: TokenBatch,
    bos: int,
    config: PolicyTrainConfig,
) -> PolicyLoss:
    """Compute the training objective of a batch (differentiable)."""
    before, at = sequence_hidden(model, features, state, batch.ids, bos)
    spoken = batch.reasoning.clone()
    spoken[max(1, round(len(spoken) * config.reasoning_loss_fraction)) :] = False
    reasoning = token_cross_entropy(model.logits(before[spoken]), batch.ids[spoken])
    rows = torch.arange(len(batch.ids)).unsqueeze(1)
    action = token_cross_entropy(
        model.logits(before[rows, batch.code_positions]).flatten(0, 1), batch.code_labels.flatten()
    )
    coupling = torch.zeros(())
    if config.coupling_weight > 0.0 and config.reasoning:
        text = model.coupling_reasoning(pooled(at, batch.span))
        motion = model.coupling_action(at[rows, batch.code_positions].mean(1))
        coupling = coupling_loss(text, motion, batch.task, config.temperature)
    return PolicyLoss(reasoning + action + config.coupling_weight * coupling, reasoning, action, coupling)
