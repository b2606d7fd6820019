"""An image tower that learns from scratch in minutes: convolutions with one attention block.

At full size a tower is a pretrained ViT; trained from nothing on a small machine a plain ViT barely moves,
while convolutions with coordinate channels find objects quickly. The output is the same kind: a grid of
patch features, plus heatmaps that say where named points are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinevla.backbone.config import NORMALISATIONS, TowerConfig


class TowerOutput(NamedTuple):
    """Output of a tower for M images.

    Attributes:
        patches: (M, C, S/8, S/8) patch features.
        heatmaps: (M, K, S/4, S/4) logits over image cells.
        points: (M, K, 2) soft-argmax x, y in -1..1 (image edge to image edge).
        visible: (M, K) logits of being visible.
        local: (M, K, L) heatmap-weighted feature.
    """

    patches: Tensor
    heatmaps: Tensor
    points: Tensor
    visible: Tensor
    local: Tensor


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def _with_norm(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """Return one convolution that does what `conv` and then the batch norm `norm` (in evaluation) do."""
    assert isinstance(norm, nn.BatchNorm2d), "folded already"
    folded: nn.Conv2d = fuse_conv_bn_eval(conv, norm)
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    norm1: nn.Module
    norm2: nn.Module

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(M, C, H, W) -> the same shape."""
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))

    def fold(self) -> None:
        """Let the convolutions do the norms' work (inference only)."""
        self.conv1, self.norm1 = _with_norm(self.conv1, self.norm1), nn.Identity()
        self.conv2, self.norm2 = _with_norm(self.conv2, self.norm2), nn.Identity()


class GlobalAttention(nn.Module):
    """One pre-norm transformer block over all cells: lets a cell know what stands elsewhere in the image."""

    def __init__(self, width: int, heads: int, cells: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = nn.Parameter(torch.zeros(1, cells, width))
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(M, C, H, W) -> the same shape."""
        size = x.shape[-2:]
        tokens = x.flatten(2).transpose(1, 2)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm1(tokens + self.position)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.proj(mixed)
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).unflatten(-1, size)


class ConvTower(nn.Module):
    """The nano image tower.

    Args:
        config: widths and preprocessing.
        image_size: side of the input, pixels.
        cameras: number of cameras; each has its own heatmap head on shared features.
        keypoints: points per camera.
    """

    mean: Tensor
    std: Tensor
    coordinates: Tensor
    cell_centres: Tensor

    def __init__(self, config: TowerConfig, image_size: int, cameras: int, keypoints: int) -> None:
        super().__init__()
        w2, w4, w8, w16 = config.widths
        self.keypoints = keypoints
        self.first_map: Tensor | None
        self.register_buffer("first_map", None, persistent=False)
        mean, std = NORMALISATIONS[config.normalisation]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        ramp = torch.linspace(-1, 1, image_size)
        grid = torch.stack(torch.meshgrid(ramp, ramp, indexing="xy")).unsqueeze(0)
        self.register_buffer("coordinates", grid, persistent=False)
        self.down2 = _down(5, w2)
        self.down4 = nn.Sequential(_down(w2, w4), ResidualBlock(w4))
        self.down8 = nn.Sequential(_down(w4, w8), ResidualBlock(w8))
        self.down16 = nn.Sequential(_down(w8, w16), ResidualBlock(w16))
        self.attention = GlobalAttention(w16, config.attention_heads, (image_size // 16) ** 2)
        self.lift8 = nn.Conv2d(w16, w8, 1)
        self.up8 = ResidualBlock(w8)
        self.lift4 = nn.Conv2d(w8, w4, 1)
        self.up4 = ResidualBlock(w4)
        self.heatmap_head = nn.Conv2d(w4, cameras * keypoints, 1)
        self.visible_head = nn.Linear(w4, cameras * keypoints)
        cells = image_size // 4
        # Centre of cell i lies at (i + 0.5) / cells of the way from edge to edge.
        self.register_buffer("cell_centres", (torch.arange(cells) + 0.5) / cells * 2 - 1, persistent=False)

    @property
    def folded(self) -> bool:
        """`fold` was called."""
        return self.first_map is not None

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> None:
        """Turn into the tower that only looks: same output up to rounding, fewer passes over memory.

        Batch norms go into the convolutions. The first convolution is linear in the pixels and in the
        coordinate channels, which are the same for every image, so ``W * [(x - mean) / std, coordinates] + b
        = (W_rgb / std) * x + map``: the map is computed once, here. Zero padding stands after normalisation;
        the map carries its effect at the border.

        Args:
            dtype: type of weights and features; heatmaps, positions and confidences stay single precision.

        Raises:
            ValueError: the tower is in training mode or folded already.
        """
        if self.training or self.folded:
            raise ValueError("only a tower in evaluation mode can be folded, and only once")
        first = _with_norm(self.down2[0], self.down2[1])  # type: ignore[arg-type]
        black = torch.cat(
            [-self.mean / self.std * torch.ones_like(self.coordinates[:, :1]), self.coordinates], 1
        )
        pixels = nn.Conv2d(3, first.out_channels, 3, 2, 1, bias=False, device=first.weight.device)
        pixels.weight.copy_(first.weight[:, :3] / self.std)
        self.first_map = first(black).to(dtype).contiguous(memory_format=torch.channels_last)
        self.down2 = nn.Sequential(pixels)
        for stage in (self.down4, self.down8, self.down16):
            down = stage[0]
            assert isinstance(down, nn.Sequential)
            stage[0] = nn.Sequential(_with_norm(down[0], down[1]), nn.ReLU())  # type: ignore[arg-type]
        for block in self.modules():
            if isinstance(block, ResidualBlock):
                block.fold()
        self.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.cell_centres = self.cell_centres.float()
        self.requires_grad_(False)

    def _first(self, images: Tensor) -> Tensor:
        """Pixels (M, 3, S, S) in 0..1 -> features (M, C, S/2, S/2)."""
        if self.first_map is not None:
            x = images.to(self.first_map.dtype, memory_format=torch.channels_last)
            return F.relu(self.down2(x) + self.first_map)
        x = (images - self.mean) / self.std
        x = torch.cat([x, self.coordinates.to(x.dtype).expand(len(x), -1, -1, -1)], dim=1)
        features: Tensor = self.down2(x.contiguous(memory_format=torch.channels_last))
        return features

    def forward(self, images: Tensor, camera: Tensor) -> TowerOutput:
        """Look at M images.

        Args:
            images: (M, 3, S, S) float in 0..1.
            camera: (M,) camera index of each image.
        """
        fine = self.down4(self._first(images))
        middle = self.down8(fine)
        deep = self.attention(self.down16(middle))
        middle = self.up8(middle + F.interpolate(self.lift8(deep), scale_factor=2.0))
        fine = self.up4(fine + F.interpolate(self.lift4(middle), scale_factor=2.0))
        rows = torch.arange(len(images), device=images.device)
        # Positions are read in single precision: half of it would cost a third of a pixel.
        heatmaps = self.heatmap_head(fine).float().unflatten(1, (-1, self.keypoints))[rows, camera]
        weights = heatmaps.flatten(2).softmax(-1).unflatten(-1, heatmaps.shape[-2:])
        points = torch.stack(
            [(weights.sum(-2) * self.cell_centres).sum(-1), (weights.sum(-1) * self.cell_centres).sum(-1)],
            dim=-1,
        )
        local = torch.einsum("mkhw,mchw->mkc", weights.to(fine.dtype), fine)
        own = torch.arange(self.keypoints, device=images.device)
        visible = self.visible_head(local).float().unflatten(-1, (-1, self.keypoints))
        visible = visible[rows.unsqueeze(1), own.unsqueeze(0), camera.unsqueeze(1), own.unsqueeze(0)]
        if self.folded:
            middle, local = middle.float(), local.float()
        return TowerOutput(middle, heatmaps, points, visible, local)
