"""The 256-bin baseline: every number of a chunk becomes its own code (RT-2, OpenVLA)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.tokenizer import check_chunks, check_codes


@dataclass(frozen=True)
class BinTokenizer:
    """Uniform bins over the normalised range; a value outside falls into the outermost bin.

    Attributes:
        normaliser: statistics of relative chunks.
        horizon: frames per chunk.
        codebook_size: number of bins.
    """

    normaliser: ActionNormaliser
    horizon: int
    codebook_size: int = 256

    def __post_init__(self) -> None:
        if self.codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {self.codebook_size}")

    @property
    def codes_per_chunk(self) -> int:
        """One code per number in the chunk."""
        return self.horizon * self.normaliser.dimensions

    def _unit(self, normalised: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.normaliser.keep, normalised, (normalised + 1.0) / 2.0)

    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, T * D), frame by frame."""
        values = check_chunks(chunks, self.horizon, self.normaliser.dimensions)
        unit = self._unit(self.normaliser.normalise(values))
        codes = np.clip(np.floor(unit * self.codebook_size), 0, self.codebook_size - 1)
        return codes.astype(np.int64).reshape(len(values), -1)

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, T * D) to the centres of their bins (N, T, D)."""
        values = check_codes(codes, (self.codes_per_chunk,), self.codebook_size)
        unit = (values.reshape(len(values), self.horizon, -1) + 0.5) / self.codebook_size
        return self.normaliser.denormalise(np.where(self.normaliser.keep, unit, 2.0 * unit - 1.0))
