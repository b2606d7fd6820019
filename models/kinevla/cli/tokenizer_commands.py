"""`kinevla tokenizer train` and `kinevla tokenizer report`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kinevla.actions.bilevel import BiLevelTokenizer
from kinevla.actions.report import TokenizerReport, measure_tokenizer, write_report
from kinevla.actions.training import TokenizerTrainingConfig, train_tokenizer
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.episodes import Episode, EpisodeReader
from kinevla.data.packing import DataError


@dataclass(frozen=True)
class TrainArgs:
    """Options of `kinevla tokenizer train`."""

    data: Path
    """Data set of demonstrations."""
    out: Path
    """Where the tokeniser goes; an unfinished training found there is continued."""
    max_minutes: float | None = None
    """Time budget; the same command goes on where it stopped."""
    training: TokenizerTrainingConfig = field(default_factory=TokenizerTrainingConfig)
    """Sizes and schedule."""
    chunks: ChunkConfig = field(default_factory=ChunkConfig)
    """How chunks are cut."""
    progress: bool = True
    """Show a progress bar."""


def run_train(args: TrainArgs) -> int:
    """Train both stages, save the tokeniser and print its figures."""
    import torch

    torch.set_num_threads(1)
    reader = EpisodeReader(args.data)
    episodes = list(reader)
    period_s = _period_s(episodes)
    coarse = build_chunks(episodes, args.chunks, split="train", coarse=True)
    fine = build_chunks(episodes, args.chunks, split="train")
    held_out = build_chunks(episodes, args.chunks, split="val")
    print(f"{len(fine)} chunks to learn from, {len(held_out)} held out")
    trained = train_tokenizer(
        coarse.chunks,
        fine.chunks,
        args.training,
        directory=args.out,
        max_minutes=args.max_minutes,
        keep_dimensions=args.chunks.absolute_dimensions,
        progress=args.progress,
    )
    if trained.stage == 1 and args.training.network.kinematics_levels:
        print(f"Stage I at step {trained.step}: run the same command again to go on")
        return 3
    tokenizer = BiLevelTokenizer(trained.network, trained.normaliser, args.chunks, period_s)
    report = measure_tokenizer(tokenizer, held_out)
    tokenizer.save(
        args.out,
        training={
            "training": args.training,
            "data": reader.summary["episodes"],
            "complete": trained.complete,
        },
        summary=report,
    )
    print(report.text())
    if not trained.complete:
        print("usable, but training is not complete: run the same command again to go on")
    return 0 if trained.complete else 3


@dataclass(frozen=True)
class ReportArgs:
    """Options of `kinevla tokenizer report`."""

    tokenizer: Path
    """Tokeniser directory."""
    data: Path
    """Data set; its held-out episodes are measured."""
    out: Path | None = None
    """Where the report goes; the tokeniser's directory by default."""
    baselines: bool = True
    """Compare with 256 bins and with single-level tokenisers trained now for as many steps."""
    baseline_steps: int = 1500
    """Training steps of each single-level tokeniser."""


def run_report(args: ReportArgs) -> int:
    """Measure a tokeniser, write JSON, text and figure, and print the text."""
    import torch

    from kinevla.actions.baselines import measure_baselines

    torch.set_num_threads(1)
    tokenizer = BiLevelTokenizer.load(args.tokenizer)
    episodes = list(EpisodeReader(args.data))
    held_out = build_chunks(episodes, tokenizer.chunk_config, split="val")
    report = measure_tokenizer(tokenizer, held_out)
    baselines: dict[str, TokenizerReport] = {}
    if args.baselines:
        train = build_chunks(episodes, tokenizer.chunk_config, split="train")
        baselines = measure_baselines(tokenizer, train, held_out, steps=args.baseline_steps)
    out = args.out or args.tokenizer / "report"
    write_report(out, report, baselines)
    print((out / "report.txt").read_text(), end="")
    return 0


def _period_s(episodes: list[Episode]) -> float:
    periods = {episode.period_s for episode in episodes}
    if len(periods) != 1:
        raise DataError(f"episodes of different periods cannot be mixed: {sorted(periods)} s")
    return float(periods.pop())
