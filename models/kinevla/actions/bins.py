"""The 256-bin baseline: every number of a chunk becomes its own code (RT-2, OpenVLA)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.base import BINS, ActionTokenizer
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.tokenizer import TokenizerError, check_chunks, check_codes
from kinevla.data.chunks import ChunkConfig


class BinTokenizer(ActionTokenizer):
    """Uniform bins over the normalised range; a value outside falls into the outermost bin, as in OpenVLA.

    A chunk (T, D) becomes T * D codes, frame by frame, which all mean the same bins of the normalised range.

    Raises:
        TokenizerError: fewer than two bins.
    """

    kind = BINS
    shared_block = True

    def __init__(
        self,
        normaliser: ActionNormaliser,
        chunk_config: ChunkConfig,
        period_s: float,
        codebook_size: int = 256,
    ) -> None:
        super().__init__(normaliser, chunk_config, period_s)
        if codebook_size < 2:
            raise TokenizerError(f"codebook_size must be at least 2, got {codebook_size}")
        self._codebook_size = codebook_size

    @property
    def goal_levels(self) -> int:
        """One code per number in the chunk."""
        return self.horizon * self.dimensions

    @property
    def codebook_size(self) -> int:
        """Number of bins."""
        return self._codebook_size

    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, T * D), frame by frame."""
        values = check_chunks(chunks, self.horizon, self.dimensions)
        normalised = self.normaliser.normalise(values)
        unit = np.where(self.normaliser.keep, normalised, (normalised + 1.0) / 2.0)
        codes = np.clip(np.floor(unit * self.codebook_size), 0, self.codebook_size - 1)
        return codes.astype(np.int64).reshape(len(values), -1)

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, T * D) to the centres of their bins (N, T, D)."""
        values = check_codes(codes, (self.codes_per_chunk,), self.codebook_size)
        unit = (values.reshape(len(values), self.horizon, -1) + 0.5) / self.codebook_size
        return self.normaliser.denormalise(np.where(self.normaliser.keep, unit, 2.0 * unit - 1.0))

    def code_vectors(self) -> tuple[NDArray[np.float32], ...]:
        """Return the centres of the bins (K, 1), -1..1, once per place in a chunk."""
        centres = (2.0 * (np.arange(self.codebook_size) + 0.5) / self.codebook_size - 1.0)[:, None]
        return (centres.astype(np.float32),) * self.codes_per_chunk

    def _settings(self) -> dict[str, Any]:
        return {"codebook_size": self.codebook_size}

    @classmethod
    def _restore(
        cls, directory: Path, settings: dict[str, Any], normaliser: ActionNormaliser, chunks: ChunkConfig
    ) -> Self:
        return cls(normaliser, chunks, float(settings["period_s"]), int(settings["codebook_size"]))
