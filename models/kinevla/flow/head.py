"""The action head as the model holds it: a loss for training, a chunk for the robot."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import FlowConfig
from kinevla.flow.expert import ActionExpert
from kinevla.flow.matching import flow_loss, integrate, sample_times


class FlowHead(nn.Module):
    """Action expert with its flow settings.

    Chunks are normalised (see `ActionNormaliser`): about -1..1, the gripper 0..1.
    """

    def __init__(self, config: FlowConfig, hidden_size: int) -> None:
        super().__init__()
        self.config = config
        self.expert = ActionExpert(config, hidden_size)

    def loss(
        self, hidden: Tensor, mask: Tensor, actions: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw noise and times, return the flow-matching loss of a batch (a scalar).

        Args:
            hidden: (B, S, hidden) states of the prefix.
            mask: (B, S) True where the prefix is no padding.
            actions: (B, T, D) normalised chunks.
            generator: source of randomness on the CPU; None for the global one.

        Raises:
            ValueError: chunks of another shape than the head's.
        """
        expected = (self.config.horizon, self.config.dimensions)
        if actions.shape[1:] != expected:
            raise ValueError(f"the flow head takes chunks {expected}, got {tuple(actions.shape[1:])}")
        noise = torch.randn(actions.shape, generator=generator).to(actions.device)
        config = self.config
        time = sample_times(len(actions), config.time_alpha, config.time_floor, generator).to(actions.device)
        prefix = self.expert.read(hidden)
        return flow_loss(lambda x, t: self.expert(x, t, prefix, mask), actions, noise, time)

    def noise(self, count: int) -> Tensor:
        """Return the noise plans start from, equal for all `count` chunks and at every call: (B, T, D)."""
        generator = torch.Generator().manual_seed(self.config.seed)
        one = torch.randn(1, self.config.horizon, self.config.dimensions, generator=generator)
        return one.expand(count, -1, -1).contiguous()

    @torch.no_grad()
    def sample(self, hidden: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """Compute chunks from the states of the prefix.

        Args:
            hidden: (B, S, hidden).
            mask: (B, S) True where the prefix is no padding.
            noise: (B, T, D) to start from; None takes `noise`, so that a chunk depends on the prefix only.

        Returns:
            (B, T, D) normalised actions, single precision.
        """
        start = self.noise(len(hidden)) if noise is None else noise
        prefix = self.expert.read(hidden)
        return integrate(
            lambda x, t: self.expert(x, t, prefix, mask).float(),
            start.float().to(hidden.device),
            self.config.steps,
        )
