"""The residual VQ-VAE with two stacks of codebooks (KineVLA, section 3.1).

Encoder f maps a normalised chunk (T, D) to one latent of d numbers. The goal stack quantises the latent
over its levels, the kinematics stack what the goal stack left; decoder g rebuilds the chunk from the sum.
The codebook term of the loss in the paper is minimised by moving averages (van den Oord et al. 2017,
appendix A) with k-means start and replacement of dead codes, as `vector-quantize-pytorch` does it.

That library cannot freeze single levels of one `ResidualVQ`, hence two cascaded objects: freezing the goal
level means keeping the first in evaluation mode, where it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import ResidualVQ

from kinevla.actions.rvq_config import RvqVaeConfig


@dataclass(frozen=True)
class Quantised:
    """Result of quantising N latents."""

    latent: Tensor  # (N, d) sum of the chosen codes; its gradient passes straight through to the encoder
    codes: Tensor  # (N, levels) chosen codes; -1 at levels that were not used
    commitment: Tensor  # weighted commitment loss, a scalar


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _Mlp(nn.Module):
    """A linear map plus a deep correction that starts at zero."""

    def __init__(self, inputs: int, hidden: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        last = nn.Linear(hidden, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        middle = [_Block(hidden) for _ in range(blocks)]
        self.correction = nn.Sequential(nn.Linear(inputs, hidden), *middle, nn.LayerNorm(hidden), last)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) + self.correction(x)
        return out


class RvqVae(nn.Module):
    """Encoder, goal stack, kinematics stack, decoder over normalised chunks."""

    def __init__(self, config: RvqVaeConfig) -> None:
        super().__init__()
        self.config = config
        flat = config.horizon * config.dimensions
        self.encoder = _Mlp(flat, config.hidden, config.blocks, config.latent)
        self.decoder = _Mlp(config.latent, config.hidden, config.blocks, flat)
        self.metric: Tensor
        self.register_buffer("metric", torch.ones(config.dimensions))
        self._start_as_rotation()
        self.goal_stack = self._stack(config.goal_levels)
        self.kinematics_stack = self._stack(config.kinematics_levels) if config.kinematics_levels else None
        self.goal_frozen = False

    @torch.no_grad()
    def _start_as_rotation(self) -> None:
        """Let encoder and decoder begin as a rotation into the latent space and back.

        The k-means start of the codebooks then is residual k-means on the chunks themselves, a far better
        beginning than random features; training bends the map from there.
        """
        nn.init.orthogonal_(self.encoder.linear.weight)
        self.decoder.linear.weight.copy_(self.encoder.linear.weight.T)
        nn.init.zeros_(self.encoder.linear.bias)
        nn.init.zeros_(self.decoder.linear.bias)

    @torch.no_grad()
    def set_metric(self, metric: Tensor) -> None:
        """Set how much a unit of each normalised dimension counts in the latent space: (D,) positive.

        In proportion to rad per normalised unit it makes codes share out rad.
        """
        self.metric.copy_(metric)

    def _stack(self, levels: int) -> ResidualVQ:
        return ResidualVQ(
            dim=self.config.latent,
            num_quantizers=levels,
            codebook_size=self.config.codebook_size,
            decay=self.config.ema_decay,
            commitment_weight=self.config.commitment,
            kmeans_init=True,
            kmeans_iters=self.config.kmeans_iterations,
            threshold_ema_dead_code=self.config.dead_code_threshold,
            # Plain straight-through gradients, as in the paper.
            rotation_trick=False,
        )

    def freeze_goal(self) -> None:
        """Enter Stage II: the goal stack keeps its codebooks from here on."""
        self.goal_frozen = True
        self.goal_stack.eval()
        self.goal_stack.requires_grad_(False)

    def train(self, mode: bool = True) -> RvqVae:
        """Set training mode for everything that may still learn."""
        super().train(mode)
        if self.goal_frozen:
            self.goal_stack.eval()
        return self

    def encode_latent(self, chunks: Tensor) -> Tensor:
        """Map normalised chunks (N, T, D) to latents (N, d)."""
        latent: Tensor = self.encoder((chunks * self.metric).flatten(1))
        return latent

    def decode_latent(self, latents: Tensor) -> Tensor:
        """Map latents (N, d) to normalised chunks (N, T, D)."""
        flat: Tensor = self.decoder(latents)
        return flat.unflatten(1, (self.config.horizon, self.config.dimensions)) / self.metric

    def quantise(self, latents: Tensor, *, kinematics: bool = True, foreign: int = 0) -> Quantised:
        """Choose codes for latents (N, d).

        Args:
            kinematics: False stops after the goal stack (Stage I, or a goal-only reconstruction).
            foreign: so many of the first latents get the goal codes of their neighbour; the kinematics codes
                have to make up for that.
        """
        if self.goal_frozen:
            with torch.no_grad():
                goal, goal_codes, _ = self.goal_stack(latents[:, None])
            commitment = latents.new_zeros(())
        else:
            goal, goal_codes, losses = self.goal_stack(latents[:, None])
            commitment = losses.sum()
        goal, goal_codes = goal[:, 0], goal_codes[:, 0]
        if foreign:
            goal = torch.cat([goal[:foreign].roll(1, 0), goal[foreign:]])
            goal_codes = torch.cat([goal_codes[:foreign].roll(1, 0), goal_codes[foreign:]])
        total, codes = goal, goal_codes
        if self.kinematics_stack is not None:
            unused = goal_codes.new_full((len(latents), self.config.kinematics_levels), -1)
            codes = torch.cat([goal_codes, unused], dim=1)
        if kinematics and self.kinematics_stack is not None:
            residual = latents - goal.detach()
            fine, fine_codes, losses = self.kinematics_stack(residual[:, None])
            total = goal + fine[:, 0]
            codes = torch.cat([goal_codes, fine_codes[:, 0]], dim=1)
            commitment = commitment + losses.sum()
        # One straight-through step for the sum of all levels: the library takes one per level, which would
        # multiply the encoder's gradient by their number.
        total = latents + (total - latents).detach()
        return Quantised(total, codes, commitment)

    def latent_of_codes(self, codes: Tensor) -> Tensor:
        """Sum the codebook vectors of codes (N, levels) or, for the goal alone, (N, goal_levels): (N, d)."""
        goal = _sum_of_codes(self.goal_stack, codes[:, : self.config.goal_levels])
        if codes.shape[1] == self.config.goal_levels or self.kinematics_stack is None:
            return goal
        return goal + _sum_of_codes(self.kinematics_stack, codes[:, self.config.goal_levels :])

    def forward(
        self, chunks: Tensor, *, kinematics: bool = True, foreign: int = 0
    ) -> tuple[Tensor, Quantised]:
        """Reconstruct normalised chunks (N, T, D) through the codebooks; arguments as of `quantise`."""
        latents = self.encode_latent(chunks)
        quantised = self.quantise(latents, kinematics=kinematics, foreign=foreign)
        return self.decode_latent(quantised.latent), quantised

    def codebooks(self) -> dict[str, Tensor]:
        """Return copies of the codebooks: {"goal": (levels, K, d), "kinematics": (levels, K, d)}."""
        books: dict[str, Any] = {"goal": self.goal_stack.codebooks.detach().clone()}
        if self.kinematics_stack is not None:
            books["kinematics"] = self.kinematics_stack.codebooks.detach().clone()
        return books


def _sum_of_codes(stack: ResidualVQ, codes: Tensor) -> Tensor:
    books = stack.codebooks
    total = books[0][codes[:, 0]]
    for level in range(1, codes.shape[1]):
        total = total + books[level][codes[:, level]]
    return total
