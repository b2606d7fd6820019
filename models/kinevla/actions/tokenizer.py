"""What every action tokeniser offers, so that the policy and the ablation can swap them by configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kinevla.actions.normaliser import ActionNormaliser
    from kinevla.actions.report import TokenizerReport
    from kinevla.data.chunks import ChunkConfig, ChunkSet


class TokenizerError(ValueError):
    """Chunks, codes or files a tokeniser cannot work with; the text names the value and the bound."""


class ActionTokenizer(Protocol):
    """Chunks of actions to integer codes and back.

    A chunk (T, D) is what the chunk configuration cuts: joint targets relative to the measured joints or
    absolute (rad), end-effector deltas, and a gripper opening of 0..1. The `_absolute` pair works with
    absolute targets and the measured state instead.
    """

    @property
    def kind(self) -> str:
        """Name of the kind: 'bilevel_rvq', 'rvq', 'bins' or 'fast'."""
        ...

    @property
    def normaliser(self) -> ActionNormaliser:
        """Statistics of the actions; their hash says whether two models understand the same codes."""
        ...

    @property
    def chunk_config(self) -> ChunkConfig:
        """How chunks are cut and which dimensions are absolute."""
        ...

    @property
    def period_s(self) -> float:
        """Time between the frames of a chunk, seconds."""
        ...

    @property
    def horizon(self) -> int:
        """Frames per chunk T."""
        ...

    @property
    def dimensions(self) -> int:
        """Action dimensions D."""
        ...

    @property
    def goal_levels(self) -> int:
        """Goal codes per chunk; all codes where there is only one level."""
        ...

    @property
    def kinematics_levels(self) -> int:
        """Kinematics codes per chunk; 0 where there is only one level."""
        ...

    @property
    def codes_per_chunk(self) -> int:
        """Number of codes one chunk becomes.

        Raises:
            TokenizerError: the number varies from chunk to chunk (FAST).
        """
        ...

    @property
    def codebook_size(self) -> int:
        """Codes run from 0 to this number minus one."""
        ...

    @property
    def shared_block(self) -> bool:
        """Whether code k means the same at every place, so that all places can share one block of ids."""
        ...

    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, codes_per_chunk); a variable length is filled up with -1."""
        ...

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, codes_per_chunk), or the goal codes alone (N, goal_levels), to chunks (N, T, D)."""
        ...

    def encode_absolute(
        self, targets: NDArray[np.floating], states: NDArray[np.floating]
    ) -> NDArray[np.int64]:
        """Encode absolute targets (N, T, D) seen from measured states (N, D)."""
        ...

    def decode_absolute(
        self, codes: NDArray[np.integer], states: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Decode codes to absolute targets (N, T, D) from measured states (N, D)."""
        ...

    def code_vectors(self) -> tuple[NDArray[np.float32], ...] | None:
        """Return, per place in a chunk, (K, d) vectors that are close where codes mean similar motion."""
        ...

    def latents(self, chunks: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """Return latents (N, d) that the codes' vectors sum up to; None where codes are no such sum."""
        ...

    def save(
        self,
        directory: Path,
        *,
        training: Any = None,
        summary: Any = None,
        inputs: Mapping[str, Path] | None = None,
    ) -> None:
        """Write everything `load_tokenizer` needs, with a manifest."""
        ...

    def report(self, held_out: ChunkSet, train: ChunkSet | None = None) -> TokenizerReport:
        """Measure the loss per level and the use of the codes."""
        ...


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
