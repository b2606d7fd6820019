"""Training of every kind of tokeniser, and the tokenisers the bi-level one is compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kinevla.actions.base import BILEVEL, BINS, FAST, SINGLE_LEVEL, ActionTokenizer
from kinevla.actions.bins import BinTokenizer
from kinevla.actions.fast import FastTokenizer
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.report import TokenizerReport
from kinevla.actions.residual import BiLevelTokenizer, SingleLevelTokenizer
from kinevla.actions.tokenizer import TokenizerError
from kinevla.data.chunks import ChunkConfig, ChunkSet
from kinevla.training.stages.tokenizer import train_tokenizer
from kinevla.training.tokenizer_config import FastConfig, TokenizerTrainingConfig

KINDS = (BILEVEL, SINGLE_LEVEL, BINS, FAST)


def build_tokenizer(
    kind: str,
    coarse: ChunkSet,
    fine: ChunkSet,
    training: TokenizerTrainingConfig,
    chunk_config: ChunkConfig,
    period_s: float,
    *,
    fast: FastConfig | None = None,
    directory: Path | None = None,
    max_minutes: float | None = None,
    progress: bool = True,
) -> tuple[ActionTokenizer | None, bool]:
    """Train a tokeniser of any kind, or as much of it as the time allows.

    Args:
        kind: one of `KINDS`. 'rvq' trains as many codes per chunk, for as many steps, as 'bilevel_rvq' would.
        coarse: coarse chunks, for Stage I of the bi-level kind.
        training: sizes and schedule; bins and FAST use its `bins`, scaling and kept dimensions.
        directory: where progress is kept, and continued; None keeps none.

    Returns:
        The tokeniser, None while Stage I of a bi-level one is not finished; and whether training is complete.

    Raises:
        TokenizerError: an unknown kind.
        ValueError: data and configuration do not fit.
        ResumeError: the directory holds a run with other settings or data, or a damaged state.
    """
    if kind not in KINDS:
        raise TokenizerError(f"kind {kind!r} is unknown, choose from {', '.join(KINDS)}")
    if kind in (BINS, FAST):
        normaliser = ActionNormaliser.fit(
            fine.chunks, keep_dimensions=training.keep_dimensions, mode=training.mode
        )
        if kind == BINS:
            return BinTokenizer(normaliser, chunk_config, period_s, training.bins), True
        fast = fast or FastConfig()
        coder = FastTokenizer.fit(
            fine.chunks, normaliser, chunk_config, period_s, scale=fast.scale, vocabulary=fast.vocabulary
        )
        return coder, True
    config = training if kind == BILEVEL else training.single_level()
    trained = train_tokenizer(
        (coarse if kind == BILEVEL else fine).chunks,
        fine.chunks,
        config,
        directory=directory,
        max_minutes=max_minutes,
        progress=progress,
    )
    if kind == BILEVEL and trained.stage == 1:
        return None, False
    made = BiLevelTokenizer if kind == BILEVEL else SingleLevelTokenizer
    return made(trained.network, trained.normaliser, chunk_config, period_s), trained.complete


def measure_baselines(
    tokenizer: ActionTokenizer,
    train: ChunkSet,
    held_out: ChunkSet,
    *,
    steps: int,
    training: TokenizerTrainingConfig,
    progress: bool = True,
) -> dict[str, TokenizerReport]:
    """Measure bins, FAST, a single codebook, and a single-level residual VQ with as many codes per chunk.

    Args:
        tokenizer: compared with; chunks and statistics are taken from it.
        training: sizes, batch, rates and seed; its steps are replaced.
    """
    sizes = replace(training.network, horizon=tokenizer.horizon, dimensions=tokenizer.dimensions)
    kept = tuple(index for index, keep in enumerate(tokenizer.normaliser.keep) if keep)
    training = replace(training, network=sizes, keep_dimensions=kept, mode=tokenizer.normaliser.mode)
    single = replace(training.single_level(), stage1_steps=steps, warmup_steps=0)
    one_book = replace(single, network=replace(single.network, goal_levels=1))
    reports = {}
    for name, kind, config in (
        (f"{training.bins} bins", BINS, training),
        ("FAST", FAST, training),
        ("single codebook", SINGLE_LEVEL, one_book),
        (f"single level x{single.network.levels}", SINGLE_LEVEL, single),
    ):
        made, _ = build_tokenizer(
            kind, train, train, config, tokenizer.chunk_config, tokenizer.period_s, progress=progress
        )
        assert made is not None  # Only a bi-level tokeniser can be unfinished without a time budget.
        reports[name] = made.report(held_out, train)
    return reports
