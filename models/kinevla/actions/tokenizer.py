"""What every action tokeniser offers, so that the policy and the ablation can swap them by configuration."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TokenizerError(ValueError):
    """Chunks or codes a tokeniser cannot work with; the text names the value and the bound."""


class ActionTokenizer(Protocol):
    """Chunks of actions to integer codes and back.

    Chunks are relative (joints relative to the measured joints, gripper absolute), in rad and 0..1.
    """

    @property
    def codes_per_chunk(self) -> int:
        """Number of codes one chunk becomes."""
        ...

    @property
    def codebook_size(self) -> int:
        """Codes run from 0 to this number minus one."""
        ...

    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, codes_per_chunk)."""
        ...

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, codes_per_chunk) to chunks (N, T, D)."""
        ...


def check_chunks(chunks: NDArray[np.floating], horizon: int, dimensions: int) -> NDArray[np.float64]:
    """Return chunks as float64 after refusing a wrong shape or a value that is not finite.

    Raises:
        TokenizerError: naming the shape, or frame and dimension of the bad value.
    """
    values = np.asarray(chunks, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (horizon, dimensions):
        raise TokenizerError(f"chunks must have shape (N, {horizon}, {dimensions}), got {values.shape}")
    finite = np.isfinite(values)
    if not finite.all():
        sample, frame, dimension = np.argwhere(~finite)[0]
        raise TokenizerError(
            f"chunk {sample} holds {values[sample, frame, dimension]} at frame {frame}, dimension {dimension}"
        )
    return values


def check_codes(codes: NDArray[np.integer], widths: tuple[int, ...], codebook_size: int) -> NDArray[np.int64]:
    """Return codes as int64 after refusing a wrong shape, type or range.

    Raises:
        TokenizerError: naming the shape or the code outside 0..codebook_size-1.
    """
    values = np.asarray(codes)
    if values.ndim != 2 or values.shape[1] not in widths:
        raise TokenizerError(
            f"codes must have shape (N, {' or '.join(map(str, widths))}), got {values.shape}"
        )
    if not np.issubdtype(values.dtype, np.integer):
        raise TokenizerError(f"codes must be integers, got {values.dtype}")
    bad = (values < 0) | (values >= codebook_size)
    if bad.any():
        sample, level = np.argwhere(bad)[0]
        raise TokenizerError(
            f"code {values[sample, level]} of chunk {sample}, level {level} lies outside "
            f"0..{codebook_size - 1}"
        )
    return values.astype(np.int64)
