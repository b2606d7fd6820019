"""The training objective: L = CE(reasoning) + CE(actions) + lambda * L_MI (eq. 4, 5, 6-7 of the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def token_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of scores (P, vocabulary) for ids (P,); zero where there are no positions."""
    if len(targets) == 0:
        return logits.sum() * 0.0
    return F.cross_entropy(logits.float(), targets)


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of hidden states (B, L, H) over the positions of a mask (B, L)."""
    weight = mask.to(hidden.dtype)
    total = torch.einsum("blh,bl->bh", hidden, weight)
    return total / weight.sum(1, keepdim=True).clamp_min(1.0)


def coupling_loss(reasoning: Tensor, action: Tensor, group: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE between reasoning and action embeddings (eq. 6, 7).

    The annotation has one reasoning text per task, so a batch holds many samples with the same text. Eq. 7
    would push a sample's actions away from its own text in another row; such pairs are therefore left out of
    the denominator (ours). A sample that shares its text with the whole batch contributes nothing.

    Args:
        reasoning: (B, W) embeddings of the reasoning spans.
        action: (B, W) embeddings of the code spans.
        group: (B,) equal numbers for equal reasoning texts.
        temperature: tau > 0.
    """
    similarity = F.normalize(reasoning.float(), dim=-1) @ F.normalize(action.float(), dim=-1).T / temperature
    same_text = group.unsqueeze(0) == group.unsqueeze(1)
    itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
    similarity = similarity.masked_fill(same_text & ~itself, float("-inf"))
    target = torch.arange(len(group), device=group.device)
    return 0.5 * (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target))
