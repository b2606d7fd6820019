"""Scores codes by the motion that can be read from the geometry tokens (ours).

Each geometry token is one hypothesis of what the arm might do next, and one linear map turns any of them
into a point of the action tokenizer's latent space. The decoder's hidden state at a code position, which has
seen the sentence and the reasoning, chooses among the hypotheses; a code then scores the higher the nearer it
lies to what the codes before it have left of the chosen motion. The decoder so has to learn from its few
samples which motion is meant, not how each motion is spelt in codes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import ReadoutConfig


class CodeReadout(nn.Module):
    """Additional scores of action codes from geometry tokens.

    Args:
        config: sizes of the action tokenizer.
        hidden: width of decoder and geometry tokens.
        slots: geometry tokens.
    """

    codebooks: Tensor

    def __init__(self, config: ReadoutConfig, hidden: int, slots: int) -> None:
        super().__init__()
        self.select = nn.Linear(hidden, slots)
        nn.init.zeros_(self.select.weight)
        nn.init.zeros_(self.select.bias)
        self.motion = nn.Linear(hidden, config.latent)
        self.log_precision = nn.Parameter(torch.zeros(config.codes))
        self.register_buffer("codebooks", torch.zeros(config.codes, config.codebook_size, config.latent))

    def motions(self, slots: Tensor) -> Tensor:
        """Turn geometry tokens (..., hidden) into points of the latent space (..., d)."""
        motion: Tensor = self.motion(slots)
        return motion

    def choice(self, hidden: Tensor) -> Tensor:
        """Return the logits over geometry tokens for hidden states (..., hidden)."""
        logits: Tensor = self.select(hidden.float())
        return logits

    def forward(self, hidden: Tensor, slots: Tensor, codes: Tensor) -> Tensor:
        """Score the codes of consecutive positions of a chunk, each given all codes before it.

        Args:
            hidden: (B, P, hidden) states that predict the last P of the positions 1 .. n + 1.
            slots: (B, G, hidden) geometry tokens.
            codes: (B, n) code indices before the last of these positions.

        Returns:
            (B, P, K); the best code of each position scores 0.
        """
        last = codes.shape[1] + 1
        stages = slice(last - hidden.shape[1], last)
        with torch.autocast(hidden.device.type, enabled=False):
            weights = self.choice(hidden).softmax(-1)
            wanted = torch.einsum("bpg,bgd->bpd", weights, self.motions(slots.float()))
            written = [self.codebooks[stage][codes[:, stage]] for stage in range(last - 1)]
            so_far = torch.stack([torch.zeros_like(wanted[:, 0]), *written], dim=1).cumsum(1)
            books = self.codebooks[stages]
            nearness = torch.einsum("bpd,pkd->bpk", wanted - so_far[:, stages], books)
            nearness = nearness - 0.5 * books.square().sum(-1)
            scores = nearness * self.log_precision[stages].exp().unsqueeze(-1)
            return scores - scores.amax(-1, keepdim=True)

    @torch.no_grad()
    def start(self, weight: Tensor, bias: Tensor, precision: Tensor) -> None:
        """Begin with a linear map that was learned elsewhere.

        Args:
            weight: (d, hidden) of the map.
            bias: (d,).
            precision: inverse variance of its error per latent dimension, a scalar.
        """
        self.motion.weight.copy_(weight)
        self.motion.bias.copy_(bias)
        self.log_precision.fill_(float(precision.log()))
