"""Two image towers side by side, read as one: patch features, keypoints, features at the keypoints."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinevla.backbone.config import GeometryConfig, TowerConfig, VisionConfig, VitTowerConfig
from kinevla.backbone.conv_tower import ConvTower, TowerOutput
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.geometry import PointLifter
from kinevla.backbone.vit_tower import VitTower


def _tower(tower: TowerConfig | VitTowerConfig, config: VisionConfig) -> ConvTower | VitTower:
    if isinstance(tower, VitTowerConfig):
        return VitTower(tower, config.image_size)
    return ConvTower(tower, config.image_size, len(config.cameras), len(config.keypoints))


class VisionBackbone(nn.Module):
    """The pair of towers of a Prismatic model (§3.3 of the paper), channel-wise concatenated.

    Args:
        config: sizes, cameras, keypoints.
        geometry: sizes of the estimate of points in space.
        state_dim: D of the joint state.
    """

    def __init__(self, config: VisionConfig, geometry: GeometryConfig, state_dim: int) -> None:
        super().__init__()
        self.config = config
        self.featurizer = _tower(config.featurizer, config)
        self.fused_featurizer = _tower(config.fused_featurizer, config)
        self.lifter = PointLifter(geometry, config, state_dim) if config.keypoints else None
        # Convolutions on a CPU run about a fifth faster with channels last; the weights' shapes stay.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def towers(self, images: Tensor, camera: Tensor) -> tuple[TowerOutput, TowerOutput]:
        """Run both towers on M images (M, 3, S, S) in 0..1 with their camera indices (M,)."""
        return self.featurizer(images, camera), self.fused_featurizer(images, camera)

    def forward(self, images: Tensor, state: Tensor) -> VisualFeatures:
        """Encode observations.

        Args:
            images: (B, N, S, S, 3) uint8 RGB, cameras in the order of the configuration.
            state: (B, D) joint state in its own units, measured with the images.

        Raises:
            ValueError: another shape or type.
        """
        size, cameras = self.config.image_size, len(self.config.cameras)
        if images.dtype != torch.uint8 or images.shape[1:] != (cameras, size, size, 3):
            raise ValueError(
                f"images must be uint8 (B, {cameras}, {size}, {size}, 3), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        batch = len(images)
        flat = images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0
        camera = torch.arange(cameras, device=images.device).repeat(batch)
        outputs = self.towers(flat, camera)
        pooled = [F.adaptive_avg_pool2d(out.patches, self.config.patch_grid).flatten(2) for out in outputs]
        patches = torch.cat(pooled, dim=1).transpose(1, 2)
        points = [torch.cat([out.points, out.visible.sigmoid().unsqueeze(-1)], dim=-1) for out in outputs]
        keypoints = torch.stack(points, dim=1)
        local = torch.cat([out.local for out in outputs], dim=-1)
        shape = (batch, cameras)
        keypoints = keypoints.unflatten(0, shape)
        if self.lifter is not None:
            space = self.lifter(keypoints, state.float())
        else:
            space = keypoints.new_zeros(batch, 0, 4)
        return VisualFeatures(patches.unflatten(0, shape), keypoints, local.unflatten(0, shape), space)
