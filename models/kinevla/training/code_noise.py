"""Teaches later codes to make up for earlier ones (ours).

The codes of a chunk are a sum: each stage encodes what the stages before it left over. Trained on perfect
codes only, the network never sees what to do after its own second-best first code, although the next stages
could repair most of the damage. So some codes in the training context are replaced by near ones, and the
labels after them are those of the remainder that really is left.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kinevla.actions import ActionTokenizer, TokenizerError
from kinevla.text.vocabulary import Vocabulary

_CANDIDATES = 4


class CodeNoise:
    """Draws code sequences around the exact ones.

    Args:
        tokenizer: action tokenizer whose codes are a sum of vectors; see `CodeNoise.possible`.
        vocabulary: id layout, for the order of the stages.

    Raises:
        TokenizerError: a tokenizer whose codes are no such sum, or another number of stages than the layout.
    """

    def __init__(self, tokenizer: ActionTokenizer, vocabulary: Vocabulary) -> None:
        vectors = tokenizer.code_vectors()
        if not self.possible(tokenizer) or vectors is None:
            raise TokenizerError(
                f"code noise needs codes that sum up to a latent, those of kind {tokenizer.kind!r} do not"
            )
        if len(vectors) != vocabulary.stages:
            raise TokenizerError(
                f"the tokenizer has {len(vectors)} codes per chunk, the vocabulary {vocabulary.stages}"
            )
        self._books = [torch.from_numpy(book) for book in vectors]
        self._tokenizer = tokenizer

    @staticmethod
    def possible(tokenizer: ActionTokenizer) -> bool:
        """Say whether the codes sum up to a latent (residual VQ): only then noise can be repaired."""
        empty = np.zeros((0, tokenizer.horizon, tokenizer.dimensions))
        return tokenizer.latents(empty) is not None

    def latents(self, chunks: np.ndarray) -> Tensor:
        """Encode chunks (N, T, D) into latents (N, d)."""
        values = self._tokenizer.latents(chunks)
        assert values is not None  # Checked in the constructor.
        return torch.from_numpy(values)

    @torch.no_grad()
    def draw(
        self, latents: Tensor, share: float, generator: torch.Generator, coarse: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw one sequence per latent.

        Args:
            latents: (B, d).
            share: probability that a code in the context is not the nearest but one of the next three.
            generator: source of randomness.
            coarse: (B, d) what the goal codes stand for; None for the latents.

        Returns:
            Codes to put into the context (B, M) and codes to predict (B, M): at each stage the nearest to
            what the earlier codes of the context left over.
        """
        rest = latents if coarse is None else coarse
        context, labels = [], []
        rows = torch.arange(len(latents))
        for stage, book in enumerate(self._books):
            if stage == self._tokenizer.goal_levels and coarse is not None:
                rest = rest + (latents - coarse)
            near = torch.cdist(rest, book).topk(min(_CANDIDATES, len(book)), largest=False).indices
            other = torch.randint(1, near.shape[1], (len(latents),), generator=generator)
            noisy = torch.rand(len(latents), generator=generator) < share
            chosen = near[rows, torch.where(noisy, other, torch.zeros_like(other))]
            labels.append(near[:, 0])
            context.append(chosen)
            rest = rest - book[chosen]
        return torch.stack(context, dim=1), torch.stack(labels, dim=1)
