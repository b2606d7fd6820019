"""The action expert: a transformer over the frames of a noisy chunk that reads the language model's states.

As in pi0.5, action tokens see each other in both directions and the whole prefix, the prefix never sees them,
and the flow time enters through adaptive RMS normalisation alone. Unlike pi0.5, whose expert shares the
attention of every layer of the language model and therefore its head sizes, this one attends to projections
of the last hidden states (ours): it fits any decoder, and its size is free.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinevla.backbone.config import FlowConfig

# Shortest and longest period of the time embedding; flow times lie in 0..1.
_PERIODS = (4e-3, 4.0)
KeysValues = tuple[Tensor, Tensor]


def time_embedding(time: Tensor, width: int) -> Tensor:
    """Embed times (B,) as sines and cosines of geometrically spaced periods: (B, width)."""
    low, high = (math.log(period) for period in _PERIODS)
    periods = torch.linspace(low, high, width // 2, device=time.device).exp()
    phase = 2.0 * math.pi * time[:, None].float() / periods
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class AdaptiveRMSNorm(nn.Module):
    """RMS normalisation whose scale and shift, and a gate for what follows, depend on a condition.

    All three start at zero, so that a fresh block passes its input on unchanged.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised x (B, T, W) under a condition (B, W), and the gate (B, 1, W)."""
        scale, shift, gate = self.modulation(condition).unsqueeze(1).chunk(3, dim=-1)
        normal = F.rms_norm(x.float(), x.shape[-1:], eps=1e-6).to(x.dtype)
        return normal * (1.0 + scale) + shift, gate


class ExpertBlock(nn.Module):
    """Attention over prefix and action tokens, then a gated perceptron."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = AdaptiveRMSNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.prefix_key_value = nn.Linear(width, 2 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.mlp_norm = AdaptiveRMSNorm(width)
        self.gate_up = nn.Linear(width, 2 * config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, width, bias=False)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def read(self, prefix: Tensor) -> KeysValues:
        """Turn a projected prefix (B, S, W) into keys and values (B, heads, S, W / heads)."""
        key, value = self.prefix_key_value(prefix).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, condition: Tensor, prefix: KeysValues, visible: Tensor) -> Tensor:
        """Map action tokens (B, T, W) to action tokens; `visible` (B, 1, 1, S + T) masks the padding."""
        normal, gate = self.attention_norm(x, condition)
        query, key, value = (self._split(part) for part in self.query_key_value(normal).chunk(3, dim=-1))
        key, value = torch.cat([prefix[0], key], dim=2), torch.cat([prefix[1], value], dim=2)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        x = x + gate * self.attention_out(seen.transpose(1, 2).flatten(2))
        normal, gate = self.mlp_norm(x, condition)
        inner, outer = self.gate_up(normal).chunk(2, dim=-1)
        return x + gate * self.down(F.gelu(inner, approximate="tanh") * outer)


class ActionExpert(nn.Module):
    """The velocity field of a chunk given a prefix."""

    def __init__(self, config: FlowConfig, hidden_size: int) -> None:
        super().__init__()
        self.config = config
        self.action_in = nn.Linear(config.dimensions, config.width)
        self.frame = nn.Parameter(torch.randn(config.horizon, config.width) * 0.02)
        self.time_in = nn.Linear(config.width, config.width)
        self.time_out = nn.Linear(config.width, config.width)
        self.prefix_in = nn.Linear(hidden_size, config.width)
        self.blocks = nn.ModuleList(ExpertBlock(config) for _ in range(config.layers))
        self.norm = AdaptiveRMSNorm(config.width)
        self.action_out = nn.Linear(config.width, config.dimensions)

    def read(self, hidden: Tensor) -> list[KeysValues]:
        """Turn hidden states of the prefix (B, S, hidden) into keys and values per block, once per chunk."""
        prefix = self.prefix_in(hidden)
        prefix = F.rms_norm(prefix.float(), prefix.shape[-1:], eps=1e-6).to(prefix.dtype)
        return [block.read(prefix) for block in cast("list[ExpertBlock]", self.blocks)]

    def forward(self, x: Tensor, time: Tensor, prefix: list[KeysValues], mask: Tensor) -> Tensor:
        """Return the velocity at a point.

        Args:
            x: (B, T, D) point between noise and actions.
            time: (B,) 1 for noise .. 0 for actions.
            mask: (B, S) True where the prefix is no padding.

        Returns:
            (B, T, D) dx/dt.
        """
        embedded = time_embedding(time, self.config.width).to(self.time_in.weight.dtype)
        condition = F.silu(self.time_out(F.silu(self.time_in(embedded))))
        own = torch.ones(len(x), self.config.horizon, dtype=torch.bool, device=x.device)
        visible = torch.cat([mask, own], dim=1)[:, None, None]
        tokens = self.action_in(x.to(self.action_in.weight.dtype)) + self.frame
        for block, keys_values in zip(self.blocks, prefix, strict=True):
            tokens = block(tokens, condition, keys_values, visible)
        normal, _ = self.norm(tokens, condition)
        velocity: Tensor = self.action_out(normal)
        return velocity
