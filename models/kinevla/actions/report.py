"""What a tokeniser loses, per level, in units a robot user can judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.bilevel import BiLevelTokenizer
from kinevla.actions.robot import JOINTS, tool_position_m
from kinevla.actions.tokenizer import ActionTokenizer
from kinevla.data.chunks import ChunkSet, to_absolute
from kinevla.manifest import write_atomically, write_json, write_manifest

REPORT_KIND = "tokenizer-report"


@dataclass(frozen=True)
class LevelError:
    """Reconstruction error of a set of levels on held-out chunks.

    Attributes:
        joint_l1_mrad: mean absolute joint error.
        joint_l1_deg: the same in degrees.
        joint_p99_mrad: 99th percentile of the absolute joint error.
        gripper_l1: mean absolute error of the opening (0..1).
        tool_mean_mm: mean distance of the tool centre; None for arms other than the RM75.
        tool_p95_mm: its 95th percentile.
        last_tool_mean_mm: mean distance at the last frame of the chunk.
    """

    joint_l1_mrad: float
    joint_l1_deg: float
    joint_p99_mrad: float
    gripper_l1: float
    tool_mean_mm: float | None
    tool_p95_mm: float | None
    last_tool_mean_mm: float | None


@dataclass(frozen=True)
class CodebookUse:
    """How one codebook is used on held-out chunks.

    Attributes:
        level: "goal 1", "kinematics 2", ...
        used: codes that occur.
        dead: codes that never occur.
        perplexity: exp of the entropy of use; K would be perfectly even.
    """

    level: str
    used: int
    dead: int
    perplexity: float


@dataclass(frozen=True)
class TokenizerReport:
    """All figures of one tokeniser.

    Attributes:
        chunks: number of held-out chunks measured.
        codes_per_chunk: codes one chunk becomes.
        codebook_size: codes per codebook.
        errors: error per set of levels ("goal", "goal + kinematics", or "all").
        codebooks: use per codebook; empty for bins.
    """

    chunks: int
    codes_per_chunk: int
    codebook_size: int
    errors: dict[str, LevelError]
    codebooks: tuple[CodebookUse, ...]

    @property
    def total(self) -> LevelError:
        """Error with all levels."""
        return list(self.errors.values())[-1]

    def text(self) -> str:
        """Render the figures as a small table."""
        lines = [
            f"{self.chunks} held-out chunks, {self.codes_per_chunk} codes of {self.codebook_size} each",
            f"{'levels':<20}{'L1 mrad':>9}{'L1 deg':>9}{'p99 mrad':>10}"
            f"{'gripper':>9}{'tool mm':>9}{'p95 mm':>8}",
        ]
        for name, error in self.errors.items():
            lines.append(_row(name, error))
        if self.codebooks:
            lines.append(f"{'codebook':<20}{'used':>9}{'dead':>9}{'perplexity':>12}")
            lines += [f"{c.level:<20}{c.used:>9}{c.dead:>9}{c.perplexity:>12.1f}" for c in self.codebooks]
        return "\n".join(lines)


def _row(name: str, error: LevelError) -> str:
    def millimetres(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    return (
        f"{name:<20}{error.joint_l1_mrad:>9.2f}{error.joint_l1_deg:>9.3f}{error.joint_p99_mrad:>10.1f}"
        f"{error.gripper_l1:>9.4f}{millimetres(error.tool_mean_mm):>9}{millimetres(error.tool_p95_mm):>8}"
    )


def level_error(
    decoded: NDArray[np.floating],
    chunks: ChunkSet,
    keep: NDArray[np.bool_],
    absolute_dimensions: tuple[int, ...],
) -> LevelError:
    """Compare decoded relative chunks (N, T, D) with the true ones.

    Args:
        decoded: reconstruction.
        chunks: truth with the measured states.
        keep: (D,) True for gripper dimensions.
        absolute_dimensions: as in the chunk configuration.
    """
    difference = np.abs(decoded - chunks.chunks)
    joints = difference[..., ~keep]
    tool = None
    if (~keep).sum() == JOINTS and not keep[:JOINTS].any():
        states = chunks.states.astype(np.float64)
        wanted = to_absolute(chunks.chunks, states, absolute_dimensions)
        got = to_absolute(decoded, states, absolute_dimensions)
        tool = np.linalg.norm(
            tool_position_m(got[..., :JOINTS]) - tool_position_m(wanted[..., :JOINTS]), axis=-1
        )
    return LevelError(
        joint_l1_mrad=float(joints.mean() * 1e3),
        joint_l1_deg=float(np.rad2deg(joints.mean())),
        joint_p99_mrad=float(np.quantile(joints, 0.99) * 1e3),
        gripper_l1=float(difference[..., keep].mean()) if keep.any() else 0.0,
        tool_mean_mm=None if tool is None else float(tool.mean() * 1e3),
        tool_p95_mm=None if tool is None else float(np.quantile(tool, 0.95) * 1e3),
        last_tool_mean_mm=None if tool is None else float(tool[:, -1].mean() * 1e3),
    )


def codebook_use(codes: NDArray[np.integer], codebook_size: int, names: list[str]) -> tuple[CodebookUse, ...]:
    """Count the use of each column of codes (N, levels)."""
    uses = []
    for column, name in enumerate(names):
        counts = np.bincount(codes[:, column], minlength=codebook_size)
        share = counts[counts > 0] / counts.sum()
        perplexity = float(np.exp(-(share * np.log(share)).sum()))
        used = int((counts > 0).sum())
        uses.append(CodebookUse(name, used, codebook_size - used, perplexity))
    return tuple(uses)


def measure_tokenizer(tokenizer: BiLevelTokenizer, held_out: ChunkSet) -> TokenizerReport:
    """Measure a bi-level (or, without kinematics levels, single-level) tokeniser."""
    keep = np.asarray(tokenizer.normaliser.keep)
    absolute = tokenizer.chunk_config.absolute_dimensions
    codes = tokenizer.encode(held_out.chunks)
    errors = {}
    names = [f"goal {level + 1}" for level in range(tokenizer.goal_levels)]
    names += [f"kinematics {level + 1}" for level in range(tokenizer.kinematics_levels)]
    if tokenizer.kinematics_levels:
        coarse = tokenizer.decode(codes[:, : tokenizer.goal_levels])
        errors["goal"] = level_error(coarse, held_out, keep, absolute)
        errors["goal + kinematics"] = level_error(tokenizer.decode(codes), held_out, keep, absolute)
    else:
        names = [f"level {level + 1}" for level in range(tokenizer.goal_levels)]
        errors["all"] = level_error(tokenizer.decode(codes), held_out, keep, absolute)
    return TokenizerReport(
        chunks=len(held_out),
        codes_per_chunk=tokenizer.codes_per_chunk,
        codebook_size=tokenizer.codebook_size,
        errors=errors,
        codebooks=codebook_use(codes, tokenizer.codebook_size, names),
    )


def measure_plain(
    tokenizer: ActionTokenizer,
    held_out: ChunkSet,
    keep: NDArray[np.bool_],
    absolute_dimensions: tuple[int, ...],
) -> TokenizerReport:
    """Measure any tokeniser by encoding and decoding, without codebook figures."""
    decoded = tokenizer.decode(tokenizer.encode(held_out.chunks))
    return TokenizerReport(
        chunks=len(held_out),
        codes_per_chunk=tokenizer.codes_per_chunk,
        codebook_size=tokenizer.codebook_size,
        errors={"all": level_error(decoded, held_out, keep, absolute_dimensions)},
        codebooks=(),
    )


def write_report(directory: Path, report: TokenizerReport, baselines: Mapping[str, TokenizerReport]) -> None:
    """Write report.json, report.txt and report.png with a manifest."""
    directory = Path(directory)
    text = report.text()
    if baselines:
        text += "\n\ncompared with (codes per chunk)"
        for name, other in baselines.items():
            text += f"\n{_row(f'{name} ({other.codes_per_chunk})', other.total)}"
    write_atomically(directory / "report.txt", (text + "\n").encode())
    write_json(directory / "report.json", {"tokenizer": report, "baselines": dict(baselines)})
    _figure(directory / "report.png", report, baselines)
    write_manifest(
        directory, kind=REPORT_KIND, files=["report.txt", "report.json", "report.png"], summary=report
    )


def _figure(path: Path, report: TokenizerReport, baselines: Mapping[str, TokenizerReport]) -> None:
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    bars = {name: error.joint_l1_mrad for name, error in report.errors.items()}
    bars |= {
        f"{name} ({other.codes_per_chunk})": other.total.joint_l1_mrad for name, other in baselines.items()
    }
    drawn = left.barh(
        list(bars), list(bars.values()), color=["#2b6cb0"] * len(report.errors) + ["#a0aec0"] * len(baselines)
    )
    left.bar_label(drawn, fmt="%.1f", padding=3)
    left.invert_yaxis()
    left.set_xlabel("joint L1, mrad (held-out)")
    left.margins(x=0.15)
    names = [use.level for use in report.codebooks]
    right.bar(names, [use.used for use in report.codebooks], color="#bee3f8", label="codes used")
    right.bar(
        names, [use.perplexity for use in report.codebooks], color="#2b6cb0", width=0.5, label="perplexity"
    )
    right.axhline(report.codebook_size, color="#718096", linestyle=":", label="codebook size")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, frameon=False)
    right.tick_params(axis="x", rotation=20)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    write_atomically(path, stream.getvalue())
