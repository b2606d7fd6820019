"""From what a level of the reasoning asks for to that level's action codes.

What is asked says where to look and how to move: it makes queries over the map of each camera and modulates a
perceptron over what they found. Nothing else is seen here, so a word moves the arm by moving the look: the
upper end of a thing and the lower one are two places before they are two motions. The motion is turned into a
point of the action tokenizer's latent space by its own encoder; the codes of the level are those nearest to
what the codes before have left of it, so nothing has to be learned twice.

Where the hand is to close or open next is read as well, which moves nothing but is what most words are about.
Without learning it a network stays deaf to them for long: a word that chooses between two ends is of use only
to who tells these apart in the picture, and to tell them apart is of use only to who hears the word.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kinevla.backbone.config import ReadoutConfig, SightConfig
from kinevla.backbone.sight import first_queries, look


class Reading(NamedTuple):
    """What is read for a level of the reasoning."""

    motion: Tensor  # (B, T, D) normalised chunks
    keyframe: Tensor  # (B, D) normalised states where the hand will close or open next, or the way ends


class MotionReadout(nn.Module):
    """Reads a motion from the cells as a level of the reasoning asks for it.

    Args:
        robot_features: numbers that tell the state of the robot.
    """

    def __init__(self, config: ReadoutConfig, sight: SightConfig, hidden: int, robot_features: int) -> None:
        super().__init__()
        self.config = config
        cameras = len(sight.cameras)
        self.shape = (cameras, config.queries, sight.width)
        self.queries = first_queries(*self.shape)
        self.ask = nn.Linear(hidden, self.queries.numel())
        self.input = nn.Linear(cameras * config.queries * sight.found + robot_features, config.width)
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
        self.norm = nn.LayerNorm(config.width)
        self.motion = nn.Linear(config.width, config.horizon * config.dimensions)
        self.keyframe = nn.Linear(config.width, config.dimensions)

    def forward(self, asked: Tensor, cells: Tensor, values: Tensor, robot: Tensor) -> Reading:
        """Read motions.

        Args:
            asked: (B, hidden).
            cells, values: of `Sight`.
            robot: (B, R) robot features.
        """
        queries = self.queries + self.ask(asked).unflatten(-1, self.shape)
        found = look(queries, cells, values).flatten(1)
        x = self.input(torch.cat([robot.to(found.dtype), found], dim=-1))
        modulation = self.modulate(asked).unflatten(-1, (self.config.blocks, 2, -1))
        for index, (block, norm) in enumerate(zip(self.blocks, self.norms, strict=True)):
            scale, shift = modulation[:, index].unbind(1)
            x = x + block(norm(x) * (1.0 + scale) + shift)
        x = self.norm(x)
        motion = self.motion(x).unflatten(-1, (self.config.horizon, self.config.dimensions))
        return Reading(motion, self.keyframe(x))
