"""What the policy learns to see on top of the frozen image encoder: one map and a few points per camera.

No label says where anything is: the points are wherever the policy's own loss finds it useful to look. Cells
are 8 pixels wide; what lies where inside a cell is in the finer map that is folded into it, and passed on
with each point.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import SightConfig
from kinevla.backbone.image_features import CHANNELS


class Sight(nn.Module):
    """Feature maps to cells and points."""

    grid: Tensor

    def __init__(self, config: SightConfig) -> None:
        super().__init__()
        self.config = config
        width, cameras = config.width, len(config.cameras)
        self.fine = nn.Linear(4 * CHANNELS[0] + CHANNELS[1], width)
        self.coarse = nn.Linear(CHANNELS[2], width)
        self.camera = nn.Parameter(torch.randn(cameras, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.out = nn.LayerNorm(width)
        self.value = nn.Linear(width, config.point_width)
        side = config.image_size // 8
        axis = (torch.arange(side) + 0.5) * 2.0 / side - 1.0
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        self.register_buffer("grid", torch.stack([x, y], dim=-1).flatten(0, 1), persistent=False)
        self.queries = first_queries(cameras, config.points, width)

    def cells(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Join three maps (B, N, h, w, C) of `ImageFeatures` to cells (B, N, cells, width)."""
        device, precision = self.fine.weight.device.type, self.fine.weight.dtype
        if torch.is_autocast_enabled(device):
            precision = torch.get_autocast_dtype(device)
        quarter, eighth, sixteenth = (item.to(precision) for item in maps)
        b, n, h, w, c = quarter.shape
        folded = quarter.view(b, n, h // 2, 2, w // 2, 2, c).transpose(3, 4).flatten(4)
        x = self.fine(torch.cat([folded, eighth], dim=-1))
        coarse = self.coarse(sixteenth) + self.camera[:, None, None].to(x)
        x = x.view(b, n, h // 4, 2, w // 4, 2, -1) + coarse.to(x)[:, :, :, None, :, None]
        return self.out(x + self.mix(self.norm(x))).flatten(2, 5)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """See.

        Args:
            maps: three maps (B, N, h, w, C) of `ImageFeatures`.

        Returns:
            Cells (B, N, cells, width), what each tells a look (B, N, cells, found), and the learned points
            (B, N, points, found).
        """
        cells = self.cells(maps)
        value = self.value(cells)
        values = torch.cat([self.grid.to(value.dtype).expand(*value.shape[:-1], 2), value], dim=-1)
        return cells, values, look(self.queries, cells, values)


def first_queries(cameras: int, looks: int, width: int) -> nn.Parameter:
    """Return queries to begin with, which spread over different cells: (cameras, looks, width)."""
    return nn.Parameter(torch.randn(cameras, looks, width) * (4.0 / width) ** 0.5)


def look(queries: Tensor, cells: Tensor, values: Tensor) -> Tensor:
    """Look at places of a map: softmax over its cells, mean place and mean content.

    Args:
        queries: (..., looks, width).
        cells: (..., cells, width) what a query is compared with.
        values: (..., cells, found) what a cell tells.

    Returns:
        (..., looks, found).
    """
    return (queries.to(cells.dtype) @ cells.transpose(-1, -2)).softmax(-1).to(values.dtype) @ values
