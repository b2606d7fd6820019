"""Tokenisers the bi-level one is compared with: bins, and residual VQ-VAEs trained in a single stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinevla.actions.bilevel import BiLevelTokenizer
from kinevla.actions.bins import BinTokenizer
from kinevla.actions.report import TokenizerReport, measure_plain, measure_tokenizer
from kinevla.actions.training import TokenizerTrainingConfig, train_tokenizer
from kinevla.data.chunks import ChunkSet


def measure_baselines(
    tokenizer: BiLevelTokenizer,
    train: ChunkSet,
    held_out: ChunkSet,
    *,
    steps: int,
    training: TokenizerTrainingConfig | None = None,
    progress: bool = True,
) -> dict[str, TokenizerReport]:
    """Measure 256 bins, a single codebook, and a single-level residual VQ with as many codes per chunk.

    Args:
        tokenizer: the tokeniser compared with; sizes and statistics are taken from it.
        train: chunks the single-level tokenisers learn from.
        held_out: chunks all are measured on.
        steps: training steps of each single-level tokeniser.
        training: batch, rates and seed; the defaults when None. Its sizes and steps are replaced.
        progress: show progress bars.
    """
    keep = np.asarray(tokenizer.normaliser.keep)
    absolute = tokenizer.chunk_config.absolute_dimensions
    bins = BinTokenizer(tokenizer.normaliser, tokenizer.horizon)
    reports = {"256 bins": measure_plain(bins, held_out, keep, absolute)}
    for levels in sorted({1, tokenizer.codes_per_chunk}):
        network = replace(tokenizer.config, goal_levels=levels, kinematics_levels=0)
        config = replace(
            training or TokenizerTrainingConfig(),
            network=network,
            stage1_steps=steps,
            warmup_steps=0,
        )
        trained = train_tokenizer(
            train.chunks, train.chunks, config, keep_dimensions=absolute, progress=progress
        )
        single = BiLevelTokenizer(
            trained.network, trained.normaliser, tokenizer.chunk_config, tokenizer.period_s
        )
        name = "single codebook" if levels == 1 else f"single level x{levels}"
        reports[name] = measure_tokenizer(single, held_out)
    return reports
