"""Bi-level and single-level tokenisers on several seeds, because one seed proves little."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinevla.actions.base import BILEVEL, BINS, FAST, SINGLE_LEVEL
from kinevla.actions.report import LevelError, TokenizerReport
from kinevla.data.chunks import ChunkConfig, ChunkSet
from kinevla.data.workers import Deadline
from kinevla.manifest import write_atomically, write_json, write_manifest
from kinevla.plain import to_plain
from kinevla.training.tokenizer_config import FastConfig, TokenizerTrainingConfig
from kinevla.training.tokenizer_kinds import build_tokenizer

COMPARISON_KIND = "tokenizer-comparison"


@dataclass(frozen=True)
class SeedComparison:
    """Reports of several tokenisers, trained on the same chunks."""

    seeds: tuple[int, ...]  # seeds of the trained ones
    train_chunks: int  # number of chunks they learned from
    # by name, one report per seed; those that are far off or without randomness have one
    reports: dict[str, tuple[TokenizerReport, ...]]

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return mean, lowest and highest of each figure by name of the tokeniser."""
        return {name: _figures(reports) for name, reports in self.reports.items()}

    def text(self) -> str:
        """Render a table of means with the range over the seeds in brackets."""
        first = next(iter(self.reports.values()))[0]
        lines = [
            f"{self.train_chunks} chunks to learn from, {first.chunks} held out, seeds "
            f"{', '.join(map(str, self.seeds))}; mean (lowest..highest)",
            f"{'tokeniser':<22}{'codes':>7}{'L1 mrad':>20}{'p99 mrad':>10}{'gripper':>9}{'tool mm':>9}"
            f"{'least used %':>14}{'on train %':>12}",
        ]
        for name, row in self.figures().items():
            tool = "-" if row["tool_mm"] is None else f"{row['tool_mm']['mean']:.2f}"
            lines.append(
                f"{name:<22}{row['codes_per_chunk']['mean']:>7.3g}{_span(row['joint_l1_mrad']):>20}"
                f"{row['joint_p99_mrad']['mean']:>10.1f}{row['gripper_l1']['mean']:>9.4f}{tool:>9}"
                f"{row['least_used_percent']['min']:>14.1f}{row['least_used_train_percent']['min']:>12.1f}"
            )
            if "goal_joint_l1_mrad" in row:
                lines.append(f"{'  goal codes alone':<29}{_span(row['goal_joint_l1_mrad']):>20}")
        return "\n".join(lines)


def compare_seeds(
    coarse: ChunkSet,
    fine: ChunkSet,
    held_out: ChunkSet,
    training: TokenizerTrainingConfig,
    chunk_config: ChunkConfig,
    period_s: float,
    *,
    seeds: Sequence[int],
    directory: Path,
    fast: FastConfig | None = None,
    max_minutes: float | None = None,
    progress: bool = True,
) -> SeedComparison | None:
    """Train bi-level and single-level tokenisers on every seed, and measure bins and FAST beside them.

    Args:
        training: sizes and schedule of the bi-level tokeniser; the others follow from it.
        directory: each training keeps its progress in a directory of its own there, and is continued.

    Returns:
        The comparison, or None when the time was up before all were trained: call again.

    Raises:
        ValueError: no seeds.
        ResumeError: a directory holds a run with other settings or data.
    """
    if not seeds:
        raise ValueError("a comparison needs at least one seed")
    deadline = Deadline(max_minutes)
    one_book = training.single_level()
    one_book = replace(one_book, network=replace(one_book.network, goal_levels=1))
    rows: list[tuple[str, str, TokenizerTrainingConfig, Sequence[int]]] = [
        ("bi-level", BILEVEL, training, seeds),
        (f"single level x{training.network.levels}", SINGLE_LEVEL, training, seeds),
        ("single codebook", SINGLE_LEVEL, one_book, seeds[:1]),
        (f"{training.bins} bins", BINS, training, seeds[:1]),
        ("FAST", FAST, training, seeds[:1]),
    ]
    reports: dict[str, tuple[TokenizerReport, ...]] = {}
    for name, kind, config, own_seeds in rows:
        measured = []
        for seed in own_seeds:
            tokenizer, complete = build_tokenizer(
                kind, coarse, fine, replace(config, seed=seed), chunk_config, period_s, fast=fast,
                directory=directory / f"{name.replace(' ', '_')}-seed{seed}",
                max_minutes=deadline.left_minutes, progress=progress,
            )  # fmt: skip
            if tokenizer is None or not complete:
                return None
            measured.append(tokenizer.report(held_out, fine))
        reports[name] = tuple(measured)
    return SeedComparison(tuple(seeds), len(fine), reports)


def write_comparison(
    directory: Path,
    comparison: SeedComparison,
    config: Any = None,
    inputs: Mapping[str, Path] | None = None,
) -> None:
    """Write comparison.json, comparison.txt and comparison.png with a manifest that names the inputs."""
    directory = Path(directory)
    content = {
        "seeds": comparison.seeds,
        "train_chunks": comparison.train_chunks,
        "config": to_plain(config),
        "figures": comparison.figures(),
        "reports": comparison.reports,
    }
    write_json(directory / "comparison.json", content)
    write_atomically(directory / "comparison.txt", (comparison.text() + "\n").encode())
    _draw(directory / "comparison.png", comparison)
    write_manifest(
        directory,
        kind=COMPARISON_KIND,
        files=["comparison.json", "comparison.txt", "comparison.png"],
        config=config,
        summary=comparison.figures(),
        inputs=inputs,
    )


def _figures(reports: Sequence[TokenizerReport]) -> dict[str, Any]:
    def spread(value: Callable[[TokenizerReport], float]) -> dict[str, float]:
        values = [value(report) for report in reports]
        return {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}

    def least_trained(report: TokenizerReport) -> float:
        return min(use.train_used_percent or 0.0 for use in report.codebooks)

    row: dict[str, Any] = {
        "codes_per_chunk": spread(lambda report: report.codes_per_chunk),
        "joint_l1_mrad": spread(lambda report: report.total.joint_l1_mrad),
        "joint_p99_mrad": spread(lambda report: report.total.joint_p99_mrad),
        "gripper_l1": spread(lambda report: report.total.gripper_l1),
        "tool_mm": None,
        "least_used_percent": spread(lambda report: report.least_used_percent),
        "least_used_train_percent": spread(least_trained),
    }
    if reports[0].total.tool_mean_mm is not None:
        row["tool_mm"] = spread(lambda report: report.total.tool_mean_mm or 0.0)
    if "goal" in reports[0].errors:
        row["goal_joint_l1_mrad"] = spread(lambda report: report.errors["goal"].joint_l1_mrad)
    return row


def _span(values: dict[str, float]) -> str:
    if values["min"] == values["max"]:
        return f"{values['mean']:.2f}"
    return f"{values['mean']:.2f} ({values['min']:.2f}..{values['max']:.2f})"


def _draw(path: Path, comparison: SeedComparison) -> None:
    from matplotlib.figure import Figure

    bars: dict[str, list[float]] = {}
    for name, reports in comparison.reports.items():
        levels: list[str] = list(reports[0].errors)
        for level in levels:
            label = f"{name} ({reports[0].codes_per_chunk:.3g})"
            label = f"{name}, goal codes alone" if level == "goal" else label
            errors: list[LevelError] = [report.errors[level] for report in reports]
            bars[label] = [error.joint_l1_mrad for error in errors]
    figure = Figure(figsize=(8, 0.5 * len(bars) + 1.2), layout="constrained")
    axes = figure.subplots()
    means = [float(np.mean(values)) for values in bars.values()]
    colors = ["#2b6cb0" if name.startswith("bi-level") else "#a0aec0" for name in bars]
    drawn = axes.barh(list(bars), means, color=colors)
    for index, values in enumerate(bars.values()):
        axes.plot(values, [index] * len(values), "k.", markersize=4)
    axes.bar_label(drawn, fmt="%.2f", padding=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("joint L1, mrad (held-out); dots: seeds; in brackets: codes per chunk")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    write_atomically(path, stream.getvalue())
