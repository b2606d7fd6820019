"""Two image towers side by side, read as one, as in the networks of the OpenVLA format."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import TowersConfig
from kinevla.backbone.vit_tower import VitTower


class VisionBackbone(nn.Module):
    """The pair of towers of a Prismatic model (§3.3 of the paper), channel-wise concatenated."""

    def __init__(self, config: TowersConfig) -> None:
        super().__init__()
        self.config = config
        self.featurizer = VitTower(config.featurizer, config.image_size)
        self.fused_featurizer = VitTower(config.fused_featurizer, config.image_size)
        # Convolutions on a CPU run about a fifth faster with channels last; the weights' shapes stay.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Encode images (B, N, S, S, 3) uint8 RGB into patch features (B, N, P, C)."""
        flat = images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0
        patches = torch.cat([self.featurizer(flat), self.fused_featurizer(flat)], dim=-1)
        return patches.unflatten(0, images.shape[:2])
