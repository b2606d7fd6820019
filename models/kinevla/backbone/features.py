"""What the frozen towers hand on: small enough to be cached once per frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class VisualFeatures:
    """Visual features of B observations from N cameras through two towers.

    Attributes:
        patches: (B, N, P, C) pooled patch features, towers concatenated channel-wise.
        keypoints: (B, N, 2, K, 3) per tower x, y in -1..1 (image edge to image edge) and confidence 0..1.
        local: (B, N, K, L) feature at each keypoint, towers concatenated.
        points: (B, K, 4) keypoints in space: x, y, z in metres (base frame) and the log of their error scale.
    """

    patches: Tensor
    keypoints: Tensor
    local: Tensor
    points: Tensor

    def to(self, dtype: torch.dtype) -> VisualFeatures:
        """Return the features in another floating type."""
        return VisualFeatures(
            self.patches.to(dtype), self.keypoints.to(dtype), self.local.to(dtype), self.points.to(dtype)
        )


def fourier(values: Tensor, frequencies: int) -> Tensor:
    """Append sines and cosines of values in -1..1 at octaves of half a turn: D -> D (1 + 2 F) entries."""
    if frequencies == 0:
        return values
    octaves = torch.pi / 2 * 2.0 ** torch.arange(1, frequencies + 1, device=values.device, dtype=values.dtype)
    angles = (values.unsqueeze(-1) * octaves).flatten(-2)
    return torch.cat([values, angles.sin(), angles.cos()], dim=-1)
