"""Losses of the keypoint pretraining."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kinevla.backbone.conv_tower import TowerOutput

HEATMAP_SIGMA_CELLS = 0.8
POSITION_WEIGHT = 10.0
VISIBLE_WEIGHT = 0.5


class KeypointLoss(NamedTuple):
    """Total and its parts, each a scalar."""

    total: Tensor
    heatmap: Tensor
    position: Tensor
    visible: Tensor


def heatmap_targets(points: Tensor, cells: int) -> Tensor:
    """Return Gaussian target distributions (M, K, cells * cells) around points (M, K, 2) in -1..1."""
    centres = (torch.arange(cells, dtype=points.dtype, device=points.device) + 0.5) / cells * 2 - 1
    sigma = HEATMAP_SIGMA_CELLS * 2 / cells
    weights = torch.exp(-0.5 * ((points.unsqueeze(-1) - centres) / sigma) ** 2)
    target = torch.einsum("mky,mkx->mkyx", weights[:, :, 1], weights[:, :, 0]).flatten(2)
    return target / target.sum(-1, keepdim=True).clamp_min(1e-12)


def keypoint_loss(output: TowerOutput, points: Tensor, visible: Tensor) -> KeypointLoss:
    """Heatmap cross-entropy and soft-argmax L1 on visible points, and binary cross-entropy of visibility.

    Args:
        output: of one tower for M images.
        points: (M, K, 2) in -1..1.
        visible: (M, K) bool.
    """
    weight = visible.float()
    count = weight.sum().clamp_min(1.0)
    target = heatmap_targets(points, output.heatmaps.shape[-1])
    cross_entropy = -(target * output.heatmaps.flatten(2).log_softmax(-1)).sum(-1)
    heatmap = (cross_entropy * weight).sum() / count
    position = ((output.points - points).abs().sum(-1) * weight).sum() / count
    seen = F.binary_cross_entropy_with_logits(output.visible, weight)
    total = heatmap + POSITION_WEIGHT * position + VISIBLE_WEIGHT * seen
    return KeypointLoss(total, heatmap, position, seen)


def point_loss(points: Tensor, target_m: Tensor) -> Tensor:
    """Laplace negative log-likelihood of points (B, K, 4) given positions (B, K, 3), NaN where unknown."""
    known = torch.isfinite(target_m).all(-1)
    error = (points[..., :3] - torch.nan_to_num(target_m)).norm(dim=-1)
    scale = points[..., 3]
    loss = error * torch.exp(-scale) + scale
    return (loss * known).sum() / known.sum().clamp_min(1)
