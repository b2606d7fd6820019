"""What turns what is seen and the robot's state into decoder tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import ModelConfig, SightConfig
from kinevla.backbone.robot_features import RobotFeatures

_STATE_FREQUENCIES = 6


class Projector(nn.Module):
    """Three linear layers with GELU between, as in the public OpenVLA weights (names fc1, fc2, fc3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, 4 * inputs)
        self.fc2 = nn.Linear(4 * inputs, outputs)
        self.fc3 = nn.Linear(outputs, outputs)
        self.act_fn1 = nn.GELU()
        self.act_fn2 = nn.GELU()

    def forward(self, features: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return self.fc3(self.act_fn2(self.fc2(self.act_fn1(self.fc1(features)))))


class StateToken(nn.Module):
    """The joint state as one observation token behind the patches, as in OpenVLA-OFT."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.decoder.hidden_size
        inputs = config.state_dim * (1 + 2 * _STATE_FREQUENCIES)
        self.state = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def forward(self, normalised_state: Tensor) -> Tensor:
        """Return (B, 1, hidden) for states (B, D) in about -1..1."""
        tokens: Tensor = self.state(fourier(normalised_state, _STATE_FREQUENCIES)).unsqueeze(1)
        return tokens


class SightTokens(nn.Module):
    """A few observation tokens from all learned points and the robot's state."""

    def __init__(self, config: SightConfig, hidden: int, state_dim: int) -> None:
        super().__init__()
        self.robot = RobotFeatures(state_dim, config.robot)
        inputs = len(config.cameras) * config.points * config.found + self.robot.width
        self.count = config.tokens
        self.mlp = nn.Sequential(
            nn.Linear(inputs, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.tokens * hidden)
        )

    def forward(self, points: Tensor, robot: Tensor) -> Tensor:
        """Return (B, tokens, hidden) for points (B, N, points, found) and robot features (B, R)."""
        tokens: Tensor = self.mlp(torch.cat([points.flatten(1), robot.to(points.dtype)], dim=-1))
        tokens = tokens.unflatten(-1, (self.count, -1))
        return nn.functional.rms_norm(tokens, tokens.shape[-1:])


def fourier(values: Tensor, frequencies: int) -> Tensor:
    """Append sines and cosines of values in -1..1 at octaves of half a turn: D -> D (1 + 2 F) entries."""
    octaves = torch.pi / 2 * 2.0 ** torch.arange(1, frequencies + 1, device=values.device, dtype=values.dtype)
    angles = (values.unsqueeze(-1) * octaves).flatten(-2)
    return torch.cat([values, angles.sin(), angles.cos()], dim=-1)
