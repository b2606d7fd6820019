"""The training objective: L = CE(reasoning) + CE(actions) + lambda * L_MI (eq. 4, 5, 6-7 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Negatives = Literal["other_texts", "all"]


def token_cross_entropy(logits: Tensor, targets: Tensor, divisor: float | None = None) -> Tensor:
    """Cross-entropy of eq. 4 (reasoning ids) and eq. 5 (action codes), as a mean over the positions.

    The equations sum over the positions of both levels. The mean is that sum divided by the number of
    positions (ours), so that lengths of texts and batches do not change the weights of the terms.

    Args:
        logits: (P, vocabulary) scores at the positions of both levels, each given all ids before it.
        targets: (P,) ids that stand there.
        divisor: number to divide the sum by instead of P.

    Returns:
        A scalar; zero where there are no positions.
    """
    if len(targets) == 0:
        return logits.sum() * 0.0
    if divisor is None:
        return F.cross_entropy(logits.float(), targets)
    return F.cross_entropy(logits.float(), targets, reduction="sum") / divisor


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of hidden states (B, L, H) over the positions of a mask (B, L)."""
    weight = mask.to(hidden.dtype)
    total = torch.einsum("blh,bl->bh", hidden, weight)
    return total / weight.sum(1, keepdim=True).clamp_min(1.0)


def similarity(reasoning: Tensor, action: Tensor, temperature: float) -> Tensor:
    """Similarity s_ij of eq. 6 between reasoning i and action j.

    The embeddings are scaled to length 1 first (ours, as usual with InfoNCE), so s_ij lies within +-1 / tau.

    Args:
        reasoning: (B, W) embeddings t_i.
        action: (B, W) embeddings a_j.
        temperature: tau > 0.

    Returns:
        (B, B).
    """
    return F.normalize(reasoning.float(), dim=-1) @ F.normalize(action.float(), dim=-1).T / temperature


def coupling_loss(
    reasoning: Tensor,
    action: Tensor,
    group: Tensor,
    temperature: float,
    negatives: Negatives = "other_texts",
) -> Tensor:
    """Symmetric InfoNCE between reasoning and action embeddings (eq. 7 over the similarities of eq. 6).

    The annotation has one reasoning text per task, so a batch holds many samples with the same text. Eq. 7
    would push a sample's actions away from its own text in another row. With `negatives` 'other_texts' such
    pairs are therefore left out of the denominators (ours); a sample that shares its text with the whole
    batch then contributes nothing. 'all' is eq. 7 to the letter. Where all texts differ, both are the same.

    Args:
        reasoning: (B, W) embeddings of the reasoning spans.
        action: (B, W) embeddings of the code spans.
        group: (B,) equal numbers for equal reasoning texts.
        temperature: tau > 0.
    """
    scores = similarity(reasoning, action, temperature)
    if negatives == "other_texts":
        same_text = group.unsqueeze(0) == group.unsqueeze(1)
        itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
        scores = scores.masked_fill(same_text & ~itself, float("-inf"))
    target = torch.arange(len(group), device=group.device)
    return 0.5 * (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target))


def motion_distance(motion: Tensor, chunks: Tensor, weight: Tensor) -> Tensor:
    """Distance of a level's motion from the demonstrated chunk (ours; takes the place of eq. 5).

    Codes spell the motion that is read (see `motion_readout`), so the motion is what has to be learned. The
    cross-entropy of the codes would tell it in 256 classes per stage what one distance says at once.

    Args:
        motion: (B, T, D) normalised.
        chunks: (B, T, D) normalised.
        weight: (D,) of each dimension, mean 1.
    """
    error = motion.float() - chunks.float()
    return (error.abs() * weight).mean()


def motion_weights(
    rad_per_unit: Sequence[float], absolute: Sequence[bool], kept_weight: float = 0.25
) -> Tensor:
    """Return the weight (D,) of each action dimension, mean 1: a joint's error counts in rad.

    Args:
        rad_per_unit: rad a normalised unit of each dimension stands for.
        absolute: dimensions the normalisation leaves as they are (gripper).
        kept_weight: weight of such a dimension relative to the mean joint.
    """
    weight = torch.tensor(rad_per_unit, dtype=torch.float32)
    kept = torch.tensor(absolute)
    if bool(kept.any()) and not bool(kept.all()):
        weight[kept] = kept_weight * weight[~kept].mean()
    return weight / weight.mean()
