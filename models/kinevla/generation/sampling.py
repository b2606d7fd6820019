"""How an id is chosen among the admissible ones: the best (default), or drawn at random when asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingConfig:
    """Random choice among admissible ids; the grammar and forced texts hold as with greedy decoding.

    Attributes:
        temperature: scores are divided by it; towards 0 the best id is nearly always drawn.
        top_k: draw among so many best ids only, 0 for all admissible ones.
        seed: the same seed and the same input give the same answer.

    Raises:
        ValueError: temperature not above 0, negative top_k or seed.
    """

    temperature: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be a finite number above 0, got {self.temperature}")
        if self.top_k < 0 or self.seed < 0:
            raise ValueError(f"top_k and seed must be at least 0, got {self.top_k} and {self.seed}")


class Sampler:
    """Draws indices with a random source of its own.

    Args:
        config: how to draw.
    """

    def __init__(self, config: SamplingConfig) -> None:
        self.config = config
        self._random = torch.Generator().manual_seed(config.seed)

    def draw(self, scores: Tensor) -> int:
        """Return an index into scores (n,)."""
        # On the CPU, so that a seed means the same on every device.
        scaled = scores.double().cpu() / self.config.temperature
        if 0 < self.config.top_k < len(scaled):
            kept = scaled.topk(self.config.top_k).indices
            scaled = torch.full_like(scaled, -torch.inf).index_copy(0, kept, scaled[kept])
        return int(torch.multinomial(scaled.softmax(0), 1, generator=self._random))
