"""Made-up motion and one small tokeniser of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinevla.actions.base import ActionTokenizer
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.data.chunks import ChunkConfig, ChunkSet
from kinevla.training.tokenizer_config import TokenizerTrainingConfig
from kinevla.training.tokenizer_kinds import build_tokenizer

KINDS = ("bilevel_rvq", "rvq", "bins", "fast")
SMALL = TokenizerTrainingConfig(
    network=RvqVaeConfig(latent=16, hidden=16, blocks=1, codebook_size=16),
    stage1_steps=8,
    stage2_steps=8,
    batch=32,
    start_batch=64,
)


def motions(count: int = 200, horizon: int = 5, dimensions: int = 8, *, gripper: bool = True) -> np.ndarray:
    """Chunks (N, T, D) with two hidden causes that move all joints together, and a gripper of 0 or 1."""
    rng = np.random.default_rng(3)
    speed = (rng.normal(size=(count, 2)) @ rng.normal(size=(2, dimensions)))[:, None] * 0.05
    chunks = speed * np.arange(1, horizon + 1)[None, :, None]
    chunks += rng.normal(size=chunks.shape) * 0.004
    if gripper:
        chunks[..., -1] = rng.random((count, 1)) > 0.5
    return chunks


def chunk_set(chunks: np.ndarray) -> ChunkSet:
    """Wrap chunks with states at a common pose."""
    count, _, dimensions = chunks.shape
    zeros = np.zeros(count, np.int64)
    return ChunkSet(
        chunks.astype(np.float32), np.full((count, dimensions), 0.3, np.float32), zeros, zeros, zeros
    )


def make(
    kind: str,
    chunks: np.ndarray,
    training: TokenizerTrainingConfig = SMALL,
    chunk_config: ChunkConfig | None = None,
) -> ActionTokenizer:
    """Train a small tokeniser of a kind on chunks."""
    _, horizon, dimensions = chunks.shape
    network = replace(training.network, horizon=horizon, dimensions=dimensions)
    config = chunk_config or ChunkConfig(horizon=horizon)
    data = chunk_set(chunks)
    made, complete = build_tokenizer(
        kind, data, data, replace(training, network=network), config, 0.1, progress=False
    )
    assert made is not None and complete
    return made
