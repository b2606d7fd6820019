"""What no tokeniser takes: chunks of another shape, codes that do not exist."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TokenizerError(ValueError):
    """Chunks, codes or files a tokeniser cannot work with; the text names the value and the bound."""


def check_chunks(chunks: NDArray[np.floating], horizon: int, dimensions: int) -> NDArray[np.float64]:
    """Return chunks as float64 after refusing a wrong type or shape or a value that is not finite.

    Raises:
        TokenizerError: naming the type, the shape, or frame and dimension of the bad value.
    """
    given = np.asarray(chunks)
    if not np.issubdtype(given.dtype, np.floating):
        raise TokenizerError(f"chunks must be floating point numbers, got {given.dtype}")
    values = given.astype(np.float64, copy=False)
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
