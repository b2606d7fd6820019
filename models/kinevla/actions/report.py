"""What a tokeniser of any kind loses, per level, in units a robot user can judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.robot import JOINTS, tool_position_m
from kinevla.data.chunks import ChunkSet, to_absolute
from kinevla.manifest import write_atomically, write_json, write_manifest

if TYPE_CHECKING:
    from kinevla.actions.base import ActionTokenizer

REPORT_KIND = "tokenizer-report"


@dataclass(frozen=True)
class LevelError:
    """Reconstruction error of a set of levels on held-out chunks."""

    joint_l1_mrad: float  # mean absolute joint error
    joint_l1_deg: float  # the same in degrees
    joint_p99_mrad: float  # 99th percentile of the absolute joint error
    gripper_l1: float  # mean absolute error of the opening (0..1)
    tool_mean_mm: float | None  # mean distance of the tool centre; None for arms other than the RM75
    tool_p95_mm: float | None  # its 95th percentile
    last_tool_mean_mm: float | None  # mean distance at the last frame of the chunk


@dataclass(frozen=True)
class CodebookUse:
    """How one codebook is used."""

    level: str  # "goal 1", "kinematics 2", "level 3", or "all places" where they share one block of codes
    used: int  # codes that occur on held-out chunks
    dead: int  # codes that never occur there
    perplexity: float  # exp of the entropy of use; K would be perfectly even
    used_percent: float  # `used` as a share of the codebook
    train_used_percent: float | None = None  # the same on training chunks; None where none were given


@dataclass(frozen=True)
class TokenizerReport:
    """All figures of one tokeniser."""

    kind: str
    chunks: int  # number of held-out chunks measured
    codes_per_chunk: float  # codes one chunk becomes; the mean where the number varies (FAST)
    codebook_size: int
    errors: dict[str, LevelError]  # error per set of levels ("goal" and "goal + kinematics", or "all")
    codebooks: tuple[CodebookUse, ...]

    @property
    def total(self) -> LevelError:
        """Error with all levels."""
        return list(self.errors.values())[-1]

    @property
    def least_used_percent(self) -> float:
        """Share of codes used on held-out chunks by the codebook that uses fewest."""
        return min(use.used_percent for use in self.codebooks)

    def text(self) -> str:
        """Render the figures as a small table."""
        lines = [
            f"{self.kind}: {self.chunks} held-out chunks, {self.codes_per_chunk:.4g} codes of "
            f"{self.codebook_size} each",
            f"{'levels':<24}{'L1 mrad':>9}{'L1 deg':>9}{'p99 mrad':>10}"
            f"{'gripper':>9}{'tool mm':>9}{'p95 mm':>8}",
        ]
        lines += [_row(name, error) for name, error in self.errors.items()]
        lines.append(f"{'codebook':<24}{'used':>9}{'dead':>9}{'used %':>10}{'train %':>9}{'perplexity':>12}")
        for use in self.codebooks:
            train = "-" if use.train_used_percent is None else f"{use.train_used_percent:.1f}"
            lines.append(
                f"{use.level:<24}{use.used:>9}{use.dead:>9}{use.used_percent:>10.1f}{train:>9}"
                f"{use.perplexity:>12.1f}"
            )
        return "\n".join(lines)


def _row(name: str, error: LevelError) -> str:
    def millimetres(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    return (
        f"{name:<24}{error.joint_l1_mrad:>9.2f}{error.joint_l1_deg:>9.3f}{error.joint_p99_mrad:>10.1f}"
        f"{error.gripper_l1:>9.4f}{millimetres(error.tool_mean_mm):>9}{millimetres(error.tool_p95_mm):>8}"
    )


def level_error(
    decoded: NDArray[np.floating],
    chunks: ChunkSet,
    keep: NDArray[np.bool_],
    absolute_dimensions: tuple[int, ...],
) -> LevelError:
    """Compare decoded relative chunks (N, T, D) with the true ones; `keep` (D,) is True for grippers."""
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


def codebook_use(
    codes: NDArray[np.integer],
    codebook_size: int,
    names: Sequence[str],
    train_codes: NDArray[np.integer] | None = None,
) -> tuple[CodebookUse, ...]:
    """Count the use of each column of codes (N, levels); negative entries (padding) do not count."""
    uses = []
    for column, name in enumerate(names):
        counts = _counts(codes[:, column], codebook_size)
        share = counts[counts > 0] / counts.sum()
        used = int((counts > 0).sum())
        train = None
        if train_codes is not None:
            train = 100.0 * float((_counts(train_codes[:, column], codebook_size) > 0).mean())
        uses.append(
            CodebookUse(
                level=name,
                used=used,
                dead=codebook_size - used,
                perplexity=float(np.exp(-(share * np.log(share)).sum())),
                used_percent=100.0 * used / codebook_size,
                train_used_percent=train,
            )
        )
    return tuple(uses)


def _counts(codes: NDArray[np.integer], codebook_size: int) -> NDArray[np.int64]:
    return np.bincount(codes[codes >= 0], minlength=codebook_size)


def measure_tokenizer(
    tokenizer: ActionTokenizer, held_out: ChunkSet, train: ChunkSet | None = None
) -> TokenizerReport:
    """Measure a tokeniser of any kind.

    Args:
        train: chunks it learned from, to tell codes that are dead from codes the held-out chunks do not need.
    """
    keep = np.asarray(tokenizer.normaliser.keep)
    absolute = tokenizer.chunk_config.absolute_in(tokenizer.dimensions)
    codes = tokenizer.encode(held_out.chunks)
    train_codes = None if train is None else tokenizer.encode(train.chunks)
    total = level_error(tokenizer.decode(codes), held_out, keep, absolute)
    errors = {"all": total}
    if tokenizer.shared_block:
        # One alphabet for all places: its use is counted over all of them.
        names = ["all places"]
        columns = codes.reshape(-1, 1)
        train_codes = None if train_codes is None else train_codes.reshape(-1, 1)
    elif tokenizer.kinematics_levels:
        names = [f"goal {level + 1}" for level in range(tokenizer.goal_levels)]
        names += [f"kinematics {level + 1}" for level in range(tokenizer.kinematics_levels)]
        columns = codes
        coarse = tokenizer.decode(codes[:, : tokenizer.goal_levels])
        errors = {"goal": level_error(coarse, held_out, keep, absolute), "goal + kinematics": total}
    else:
        names = [f"level {level + 1}" for level in range(tokenizer.goal_levels)]
        columns = codes
    return TokenizerReport(
        kind=tokenizer.kind,
        chunks=len(held_out),
        codes_per_chunk=float((codes >= 0).sum(axis=1).mean()),
        codebook_size=tokenizer.codebook_size,
        errors=errors,
        codebooks=codebook_use(columns, tokenizer.codebook_size, names, train_codes),
    )


def write_report(
    directory: Path,
    report: TokenizerReport,
    baselines: Mapping[str, TokenizerReport],
    inputs: Mapping[str, Path] | None = None,
) -> None:
    """Write report.json, report.txt and report.png with a manifest that names the inputs by hash."""
    directory = Path(directory)
    text = report.text()
    if baselines:
        text += "\n\ncompared with (codes per chunk)"
        for name, other in baselines.items():
            text += f"\n{_row(f'{name} ({other.codes_per_chunk:.4g})', other.total)}"
    write_atomically(directory / "report.txt", (text + "\n").encode())
    write_json(directory / "report.json", {"tokenizer": report, "baselines": dict(baselines)})
    _figure(directory / "report.png", report, baselines)
    files = ["report.txt", "report.json", "report.png"]
    write_manifest(directory, kind=REPORT_KIND, files=files, summary=report, inputs=inputs)


def _figure(path: Path, report: TokenizerReport, baselines: Mapping[str, TokenizerReport]) -> None:
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    bars = {name: error.joint_l1_mrad for name, error in report.errors.items()}
    for name, other in baselines.items():
        bars[f"{name} ({other.codes_per_chunk:.4g})"] = other.total.joint_l1_mrad
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
