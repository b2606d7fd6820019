"""Image augmentation whose labels follow: random crop, brightness, contrast, saturation, noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kinevla.vision.config import AugmentConfig


def augment(
    images: Tensor, points: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Augment a batch.

    Args:
        images: (M, 3, S, S) in 0..1.
        points: (M, K, 2) x, y in -1..1 from image edge to image edge.
        config: strengths.
        generator: source of randomness.

    Returns:
        Augmented images, moved points, and (M, K) bool that is True where a point is still inside.
    """
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    side = uniform(config.min_area, 1.0).sqrt()
    side = torch.where(uniform(0.0, 1.0) < config.crop_share, side, torch.ones(()))
    shift = torch.stack([uniform(-1.0, 1.0), uniform(-1.0, 1.0)], dim=-1) * (1.0 - side).unsqueeze(-1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, :, 2] = shift
    images = F.grid_sample(
        images,
        F.affine_grid(theta, list(images.shape), align_corners=False),
        padding_mode="border",
        align_corners=False,
    )
    points = (points - shift.unsqueeze(1)) / side.view(-1, 1, 1)
    inside = (points.abs() < 1.0).all(-1)

    def column(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * column(uniform(1 - config.saturation, 1 + config.saturation))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * column(uniform(1 - config.contrast, 1 + config.contrast))
    images = images + column(uniform(-config.brightness, config.brightness))
    images = images + torch.randn(images.shape, generator=generator) * config.noise
    return images.clamp(0.0, 1.0), points, inside
