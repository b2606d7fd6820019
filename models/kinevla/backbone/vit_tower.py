"""The image tower of a full-size model: a plain ViT whose parameter names are those of the public weights.

DINOv2 ViT-L/14 with four register tokens and SigLIP SO400M/14 are the two instances of a Prismatic model. The
patch features are taken after the second-to-last block, without the final norm, as OpenVLA does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinevla.backbone.config import TowersConfig, VitTowerConfig

_NORM_EPS = 1e-6


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.proj(mixed.transpose(1, 2).flatten(2))


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale_factor


class _Block(nn.Module):
    def __init__(self, config: VitTowerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=_NORM_EPS)
        self.attn = _Attention(config.width, config.heads)
        self.ls1 = _LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, eps=_NORM_EPS)
        self.mlp = _Mlp(config.width, config.mlp_hidden)
        self.ls2 = _LayerScale(config.width) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class _PatchEmbed(nn.Module):
    def __init__(self, width: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_size, patch_size)


class _AttentionPool(nn.Module):
    """SigLIP's pooling head: part of the public weights, not used for patch features."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = _Mlp(width, hidden)


class VitTower(nn.Module):
    """A vision transformer.

    Args:
        image_size: side of the input, pixels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: VitTowerConfig, image_size: int) -> None:
        super().__init__()
        self.config = config
        self.reset_pixel_statistics()
        self.grid = image_size // config.patch_size
        self.patch_embed = _PatchEmbed(config.width, config.patch_size)
        if config.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        if config.register_tokens:
            self.reg_token = nn.Parameter(torch.zeros(1, config.register_tokens, config.width))
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid**2, config.width) * 0.02)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=_NORM_EPS)
        if config.attention_pool:
            self.attn_pool = _AttentionPool(config.width, config.mlp_hidden)
        self.prefix = int(config.class_token) + config.register_tokens

    def reset_pixel_statistics(self) -> None:
        """Set mean and deviation of the pixels from the configuration (they are in no checkpoint)."""
        mean, std = self.config.pixel_statistics
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Look at M images (M, 3, S, S) in 0..1: patch features (M, P, width)."""
        weight = self.patch_embed.proj.weight
        # Pixels are normalised in the precision they come in, then take that of the weights.
        x = self.patch_embed.proj(((images - self.mean) / self.std).to(weight.dtype))
        count = len(images)
        x = x.flatten(2).transpose(1, 2) + self.pos_embed
        leading = [
            token.expand(count, -1, -1)
            for name in ("cls_token", "reg_token")
            if (token := self._own(name)) is not None
        ]
        x = torch.cat([*leading, x], dim=1)
        for block in list(self.blocks)[:-1]:
            x = block(x)
        return x[:, self.prefix :]

    def _own(self, name: str) -> Tensor | None:
        return getattr(self, name, None)


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
