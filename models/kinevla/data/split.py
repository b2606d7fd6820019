"""Which episodes are learnt from and which are held out, written down in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinevla.data.chunks import split_of
from kinevla.data.episodes import EpisodeReader
from kinevla.manifest import write_json

SPLIT_NAME = "split.json"


@dataclass(frozen=True)
class DataSplit:
    """Names of the episodes of each part; the same rule as in training (`chunks.split_of`)."""

    val_percent: int
    train: tuple[str, ...]
    val: tuple[str, ...]


def data_split(reader: EpisodeReader, val_percent: int) -> DataSplit:
    """Split by whole episodes and by hash: adding episodes moves none of the old ones.

    Raises:
        ValueError: `val_percent` outside 0..99.
    """
    if not 0 <= val_percent < 100:
        raise ValueError(f"val_percent must be in 0..99, got {val_percent}")
    parts: dict[str, list[str]] = {"train": [], "val": []}
    for entry in reader.entries:
        parts[split_of(entry.task, entry.seed, val_percent)].append(entry.name)
    return DataSplit(val_percent, tuple(parts["train"]), tuple(parts["val"]))


def write_split(directory: Path, split: DataSplit, out: Path | None = None) -> Path:
    """Write the split beside the manifest, or to `out`; returns the file."""
    path = out or Path(directory) / SPLIT_NAME
    write_json(path, split)
    return path
