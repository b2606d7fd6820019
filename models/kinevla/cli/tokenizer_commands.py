"""`kinevla tokenizer train`, `kinevla tokenizer report` and `kinevla tokenizer compare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kinevla.actions.base import TOKENIZER_KIND, kind_of, read_settings
from kinevla.actions.loading import load_tokenizer
from kinevla.actions.report import REPORT_KIND, TokenizerReport, write_report
from kinevla.actions.tokenizer import TokenizerError
from kinevla.cli.command import Exit, Outcome
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.episodes import Episode, EpisodeReader
from kinevla.data.packing import DataError
from kinevla.data.split import two_parts
from kinevla.manifest import MANIFEST_NAME, refuse_other_result
from kinevla.out_folder import refuse_inputs
from kinevla.plain import to_plain
from kinevla.training.tokenizer_comparison import COMPARISON_KIND, compare_seeds, write_comparison
from kinevla.training.tokenizer_config import FastConfig, TokenizerTrainingConfig
from kinevla.training.tokenizer_kinds import build_tokenizer, measure_baselines


@dataclass(frozen=True)
class TrainArgs:
    """Options of `kinevla tokenizer train`."""

    data: Path  # Data set of demonstrations
    out: Path  # Where the tokeniser goes; an unfinished training found there is continued
    # Goal and kinematics codes in two stages; one stack with as many codes and steps; 256 bins; or FAST
    kind: Literal["bilevel_rvq", "rvq", "bins", "fast"] = "bilevel_rvq"
    max_minutes: float | None = None  # Time budget; the same command goes on where it stopped
    training: TokenizerTrainingConfig = field(default_factory=TokenizerTrainingConfig)  # Sizes and schedule
    chunks: ChunkConfig = field(default_factory=ChunkConfig)  # How chunks are cut
    fast: FastConfig = field(default_factory=FastConfig)  # Settings of the kind fast
    progress: bool = True  # Show a progress bar


def run_train(args: TrainArgs) -> Outcome:
    """Train a tokeniser, save it and print its figures."""
    _one_thread()
    refuse_inputs(args.out, {"--data": args.data})
    refuse_other_result(args.out, TOKENIZER_KIND)
    if (args.out / MANIFEST_NAME).exists() and (held := kind_of(read_settings(args.out))) != args.kind:
        raise TokenizerError(f"{args.out} holds a tokeniser of kind {held!r}: use another --out")
    reader = EpisodeReader(args.data)
    parts = two_parts(reader, args.chunks.val_percent)
    episodes = list(reader.motions())
    coarse = build_chunks(episodes, args.chunks, split="train", coarse=True, parts=parts)
    fine = build_chunks(episodes, args.chunks, split="train", parts=parts)
    held_out = build_chunks(episodes, args.chunks, split="val", parts=parts)
    tokenizer, complete = build_tokenizer(
        args.kind,
        coarse,
        fine,
        args.training,
        args.chunks,
        _period_s(episodes),
        fast=args.fast,
        directory=args.out,
        max_minutes=args.max_minutes,
        progress=args.progress,
    )
    if tokenizer is None:
        return Outcome("Stage I is not finished: run the same command again to go on", {}, Exit.UNFINISHED)
    report = tokenizer.report(held_out, fine)
    training: dict[str, Any] = {
        "training": args.training,
        "data": reader.summary["episodes"],
        "complete": complete,
    }
    if args.kind == "fast":
        training["fast"] = args.fast
    tokenizer.save(args.out, training=training, summary=report, inputs={"data": args.data})
    text = f"{len(fine)} chunks to learn from, {len(held_out)} held out\n{report.text()}"
    if not complete:
        text += "\nusable, but training is not complete: run the same command again to go on"
    return Outcome(text, to_plain(report), Exit.DONE if complete else Exit.UNFINISHED)


@dataclass(frozen=True)
class ReportArgs:
    """Options of `kinevla tokenizer report`."""

    tokenizer: Path  # Tokeniser directory, of any kind
    data: Path  # Data set; its held-out episodes are measured
    out: Path | None = None  # Where the report goes; a folder in the tokeniser's directory by default
    baselines: bool = True  # Compare with bins, FAST and single-level tokenisers trained now
    baseline_steps: int = 1200  # Training steps of each single-level tokeniser
    # Sizes and schedule of the baselines
    training: TokenizerTrainingConfig = field(default_factory=TokenizerTrainingConfig)
    progress: bool = True  # Show progress bars


def run_report(args: ReportArgs) -> Outcome:
    """Measure a tokeniser, write JSON, text and figure, and print the text."""
    _one_thread()
    out = args.out or args.tokenizer / "report"
    refuse_inputs(out, {"--data": args.data})
    refuse_other_result(out, REPORT_KIND)
    tokenizer = load_tokenizer(args.tokenizer)
    reader = EpisodeReader(args.data)
    parts = two_parts(reader, tokenizer.chunk_config.val_percent)
    episodes = list(reader.motions())
    held_out = build_chunks(episodes, tokenizer.chunk_config, split="val", parts=parts)
    train = build_chunks(episodes, tokenizer.chunk_config, split="train", parts=parts)
    report = tokenizer.report(held_out, train)
    baselines: dict[str, TokenizerReport] = {}
    if args.baselines:
        baselines = measure_baselines(
            tokenizer,
            train,
            held_out,
            steps=args.baseline_steps,
            training=args.training,
            progress=args.progress,
        )
    write_report(out, report, baselines, {"tokenizer": args.tokenizer, "data": args.data})
    figures = to_plain({"tokenizer": report, "baselines": baselines})
    text = (out / "report.txt").read_text().rstrip("\n")
    return Outcome(f"{text}\npicture: {out / 'report.png'}", figures)


@dataclass(frozen=True)
class CompareArgs:
    """Options of `kinevla tokenizer compare`."""

    data: Path  # Data set of demonstrations
    out: Path  # Where the trainings and the comparison go; unfinished trainings found there are continued
    seeds: int = 3  # Number of seeds, counted from the seed of the training settings
    max_minutes: float | None = None  # Time budget; the same command goes on where it stopped
    # Sizes and schedule of the bi-level tokeniser; the others follow from it
    training: TokenizerTrainingConfig = field(default_factory=TokenizerTrainingConfig)
    chunks: ChunkConfig = field(default_factory=ChunkConfig)  # How chunks are cut
    fast: FastConfig = field(default_factory=FastConfig)  # Settings of FAST
    progress: bool = True  # Show progress bars


def run_compare(args: CompareArgs) -> Outcome:
    """Train bi-level and single-level tokenisers on several seeds and tell mean and range."""
    if args.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {args.seeds}")
    refuse_inputs(args.out, {"--data": args.data})
    refuse_other_result(args.out, COMPARISON_KIND)
    _one_thread()
    reader = EpisodeReader(args.data)
    parts = two_parts(reader, args.chunks.val_percent)
    episodes = list(reader.motions())
    comparison = compare_seeds(
        build_chunks(episodes, args.chunks, split="train", coarse=True, parts=parts),
        build_chunks(episodes, args.chunks, split="train", parts=parts),
        build_chunks(episodes, args.chunks, split="val", parts=parts),
        args.training,
        args.chunks,
        _period_s(episodes),
        seeds=range(args.training.seed, args.training.seed + args.seeds),
        directory=args.out,
        fast=args.fast,
        max_minutes=args.max_minutes,
        progress=args.progress,
    )
    if comparison is None:
        text = "not all tokenisers are trained: run the same command again to go on"
        return Outcome(text, {}, Exit.UNFINISHED)
    config = {
        "training": args.training,
        "chunks": args.chunks,
        "fast": args.fast,
        "episodes": reader.summary["episodes"],
    }
    write_comparison(args.out, comparison, config, {"data": args.data})
    return Outcome(comparison.text(), comparison.figures())


def _one_thread() -> None:
    """These networks are small: a second thread costs more than it brings."""
    import torch

    torch.set_num_threads(1)


def _period_s(episodes: list[Episode]) -> float:
    periods = {episode.period_s for episode in episodes}
    if len(periods) != 1:
        raise DataError(f"episodes of different periods cannot be mixed: {sorted(periods)} s")
    return float(periods.pop())
