"""From the decoder's state at the beginning of a level to that level's action codes.

The state, which has read what was written, says where to look and how to move: it makes queries over the
map of
each camera and modulates a perceptron over what they and the learned points found. That gives one motion,
which the
action tokenizer's own encoder turns into a point of its latent space; the codes of the level are those
nearest to
what the codes before have left of it. So the decoder decides on the motion and the tokenizer on its
spelling, and nothing has to be learned twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import ReadoutConfig, SightConfig
from kinevla.backbone.sight import look


class MotionReadout(nn.Module):
    """Reads a motion from the cells as a decoder state asks for it.

    Args:
        config: sizes.
        sight: sizes of what is seen.
        hidden: width of the decoder.
        robot_features: numbers that tell the state of the robot.
    """

    def __init__(self, config: ReadoutConfig, sight: SightConfig, hidden: int, robot_features: int) -> None:
        super().__init__()
        self.config = config
        cameras = len(sight.cameras)
        looks = cameras * (sight.points + config.queries) * sight.found
        self.ask = nn.Linear(hidden, cameras * config.queries * sight.width)
        self.input = nn.Linear(looks + robot_features, config.width)
        self.modulate = nn.Linear(hidden, 2 * config.width * config.blocks)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, config.width)
            )
            for _ in range(config.blocks)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(config.width, elementwise_affine=False) for _ in range(config.blocks)
        )
        self.out = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.horizon * config.dimensions)
        )
        self.cameras, self.sight = cameras, sight

    def forward(self, hidden: Tensor, cells: Tensor, values: Tensor, points: Tensor, robot: Tensor) -> Tensor:
        """Read motions.

        Args:
            hidden: (B, L, hidden) decoder states of L levels.
            cells, values, points: of `Sight`.
            robot: (B, R) robot features.

        Returns:
            (B, L, T, D) normalised chunks.
        """
        count = hidden.shape[1]
        queries = self.ask(hidden).unflatten(-1, (self.cameras, -1, self.sight.width))
        # Levels ask together: (B, cameras, L * queries, width) over the same cells.
        queries = queries.transpose(1, 2).flatten(2, 3)
        found = look(queries, cells, values).unflatten(2, (count, -1)).transpose(1, 2).flatten(2)
        common = torch.cat([points.flatten(1), robot], dim=-1)
        x = self.input(torch.cat([common.unsqueeze(1).expand(-1, count, -1), found], dim=-1))
        modulation = self.modulate(hidden).unflatten(-1, (self.config.blocks, 2, -1))
        for index, (block, norm) in enumerate(zip(self.blocks, self.norms, strict=True)):
            scale, shift = modulation[:, :, index].unbind(2)
            x = x + block(norm(x) * (1.0 + scale) + shift)
        motion: Tensor = self.out(x).unflatten(-1, (self.config.horizon, self.config.dimensions))
        return motion
