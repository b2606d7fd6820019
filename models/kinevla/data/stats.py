"""Figures of a data set: ranges per dimension, episode lengths, episodes per task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.data.episodes import EpisodeReader
from kinevla.data.packing import DataError
from kinevla.ranges import remarks

FIGURES = ("min", "max", "mean", "std", "q01", "q99")


@dataclass(frozen=True)
class DataStats:
    """Figures of a data set."""

    episodes: int
    frames: int
    lengths: tuple[int, float, int]  # frames of the shortest, the median and the longest episode
    per_task: dict[str, int]
    state: dict[str, list[float]]  # figure (see `FIGURES`) to one value per dimension, measured
    target: dict[str, list[float]]  # the same of the targets
    # "state" and "target" to what the scaling of each dimension minds, "" for nothing
    remarks: dict[str, tuple[str, ...]]

    def text(self) -> str:
        """Lay it out for people."""
        lines = [
            f"{self.episodes} episodes, {self.frames} frames, "
            f"lengths {self.lengths[0]} / {self.lengths[1]:g} / "
            f"{self.lengths[2]} (shortest, median, longest)"
        ]
        lines += [f"  {count:>5}  {instruction}" for instruction, count in self.per_task.items()]
        for name in ("state", "target"):
            lines.append(f"{name}:" + "".join(f"{figure:>10}" for figure in FIGURES))
            rows = zip(*(getattr(self, name)[figure] for figure in FIGURES), strict=True)
            for d, row in enumerate(rows):
                remark = self.remarks[name][d]
                lines.append(
                    f"  {d:>4}" + "".join(f"{v:10.4f}" for v in row) + (f"  {remark}" if remark else "")
                )
        return "\n".join(lines)


def figures_of(values: NDArray[np.floating]) -> dict[str, list[float]]:
    """Return min, max, mean, standard deviation, 1 % and 99 % quantiles of (N, D) values, per dimension."""
    low, high = np.quantile(values, (0.01, 0.99), axis=0)
    found = (values.min(0), values.max(0), values.mean(0), values.std(0), low, high)
    return {name: row.tolist() for name, row in zip(FIGURES, found, strict=True)}


def data_stats(reader: EpisodeReader) -> DataStats:
    """Read a data set one episode at a time; images are never decoded.

    Raises:
        DataError: a data set without episodes.
    """
    states, targets, per_task = [], [], dict[str, int]()
    for episode in reader:
        states.append(episode.state)
        targets.append(episode.target)
        per_task[episode.instruction] = per_task.get(episode.instruction, 0) + 1
    if not states:
        raise DataError(f"{reader.directory} holds no episodes")
    lengths = [len(state) for state in states]
    state, target = np.concatenate(states), np.concatenate(targets)
    return DataStats(
        len(states), sum(lengths), (min(lengths), float(np.median(lengths)), max(lengths)), per_task,
        figures_of(state), figures_of(target), {"state": remarks(state), "target": remarks(target)},
    )  # fmt: skip
