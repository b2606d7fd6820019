"""From motions to codes: the action tokenizer's own encoder and codebooks, one level at a time.

The readout decides on the motion; how it is spelt in codes is known already. The codes of a level are those
nearest to what the codes before have left of the motion, which is how the tokenizer itself chooses them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kinevla.actions.base import ActionTokenizer
from kinevla.actions.residual import ResidualTokenizer
from kinevla.actions.tokenizer import TokenizerError


class Spelling:
    """Turns normalised motions into codes that sum up to them.

    Raises:
        TokenizerError: a tokenizer of another kind.
    """

    def __init__(self, tokenizer: ActionTokenizer, device: torch.device | str = "cpu") -> None:
        if not isinstance(tokenizer, ResidualTokenizer):
            raise TokenizerError(
                f"codes of kind {tokenizer.kind!r} do not sum up to a motion, as a readout needs"
            )
        # A network of its own where it has to move: the tokenizer itself decodes on the CPU.
        self._network = tokenizer.network
        self._device = torch.device(device)
        if self._device.type != "cpu":
            self._network = type(tokenizer.network)(tokenizer.config)
            self._network.load_state_dict(tokenizer.network.state_dict())
            self._network.to(self._device).eval()
        self._levels = (tokenizer.goal_levels, tokenizer.kinematics_levels)
        self._books = [torch.from_numpy(book).to(self._device) for book in tokenizer.code_vectors()]

    def spell_levels(self, motion: Callable[[int], Tensor]) -> Tensor:
        """Choose the codes of all levels, (B, codes), one level after the other.

        `motion` gives the normalised chunks (B, T, D) of a level, 0 the goal and 1 the kinematics.
        """
        written = torch.empty(0)
        for level, count in enumerate(self._levels):
            if count:
                chunks = motion(level)
                before = written if level else chunks.new_zeros(len(chunks), 0, dtype=torch.long)
                written = torch.cat([before.to(self._device), self.spell(chunks, before, count)], dim=1)
        return written

    @torch.no_grad()
    def spell(self, motion: Tensor, written: Tensor, count: int) -> Tensor:
        """Choose the next codes.

        Args:
            motion: (B, T, D) normalised chunks.
            written: (B, n) codes of the stages before.

        Returns:
            (B, count) codes.
        """
        rest = self._network.encode_latent(motion.to(self._device).float())
        first = written.shape[1]
        for stage in range(first):
            rest = rest - self._books[stage][written[:, stage].to(self._device)]
        chosen = []
        for book in self._books[first : first + count]:
            nearest = (rest @ book.T - 0.5 * book.square().sum(-1)).argmax(-1)
            chosen.append(nearest)
            rest = rest - book[nearest]
        return torch.stack(chosen, dim=1)
