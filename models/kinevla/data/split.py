"""Which episodes are learnt from and which are held out: by hash, or as a file beside the data set says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinevla.bounded import read_json
from kinevla.data.chunks import Split, percentile_of, split_of
from kinevla.data.episodes import EpisodeReader
from kinevla.data.packing import DataError
from kinevla.manifest import write_json

SPLIT_NAME = "split.json"


@dataclass(frozen=True)
class DataSplit:
    """Names of the episodes of each part."""

    val_percent: int  # share that was asked for when the episodes were divided by hash
    train: tuple[str, ...]
    val: tuple[str, ...]

    def parts(self) -> dict[str, Split]:
        """Return name to part."""
        return dict.fromkeys(self.train, "train") | dict.fromkeys(self.val, "val")


def data_split(reader: EpisodeReader, val_percent: int) -> DataSplit:
    """Split by whole episodes and by hash: adding episodes moves none of the old ones.

    A small set may have no scene among those held out. Then its lowest one by hash is, until it has.

    Raises:
        ValueError: `val_percent` outside 0..99.
    """
    if not 0 <= val_percent < 100:
        raise ValueError(f"val_percent must be in 0..99, got {val_percent}")
    parts: dict[str, list[str]] = {"train": [], "val": []}
    scenes = {entry.seed: split_of(entry.seed, val_percent) for entry in reader.entries}
    if val_percent and len(scenes) > 1 and "val" not in scenes.values():
        scenes[min(scenes, key=lambda seed: (percentile_of(seed), seed))] = "val"
    for entry in reader.entries:
        parts[scenes[entry.seed]].append(entry.name)
    return DataSplit(val_percent, tuple(parts["train"]), tuple(parts["val"]))


def write_split(directory: Path, split: DataSplit, out: Path | None = None) -> Path:
    """Write the split beside the manifest, or to `out`; returns the file.

    Raises:
        DataError: `out` is something else than a split.
    """
    path = out or Path(directory) / SPLIT_NAME
    if out is not None and out.exists():
        try:
            _read(out)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is no split: it is left as it is") from error
    write_json(path, split)
    return path


def read_split(reader: EpisodeReader, val_percent: int) -> DataSplit:
    """Return how training divides a data set: as its `split.json` says, by hash where it has none.

    Raises:
        DataError: the file is damaged, or does not name every episode of the set once and no other.
    """
    path = reader.directory / SPLIT_NAME
    if not path.is_file():
        return data_split(reader, val_percent)
    try:
        split = _read(path)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error!r}") from error
    named = Counter(split.train + split.val)
    held = {entry.name for entry in reader.entries}
    for what, names in (
        ("names more than once", [name for name, count in named.items() if count > 1]),
        ("names episodes the set does not hold:", sorted(set(named) - held)),
        ("does not name all episodes of the set:", sorted(held - set(named))),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise DataError(
                f"{path} {what} {names[0]}{more}; write it anew with kinevla data split, or delete it"
            )
    if not split.train:
        raise DataError(f"{path} leaves no episode to learn from")
    return split


def two_parts(reader: EpisodeReader, val_percent: int) -> dict[str, Split]:
    """Return the part of each episode by name, for what needs both of them; see `read_split`.

    Raises:
        DataError: nothing is learnt from, or nothing held out.
    """
    split = read_split(reader, val_percent)
    if not (split.train and split.val):
        lacking = "held out" if split.train else "learnt from"
        count = f"{len(reader.entries)} episode{'s' * (len(reader.entries) != 1)}"
        raise DataError(
            f"{reader.directory} holds {count}, none of which is {lacking}: at least 2 of different scenes "
            f"are needed and val_percent above 0 (it is {split.val_percent}), or a {SPLIT_NAME} that names "
            "some of each part (kinevla data split writes one)"
        )
    return split.parts()


def _read(path: Path) -> DataSplit:
    content: dict[str, Any] = read_json(path)
    return DataSplit(int(content["val_percent"]), *(_names(content, part) for part in ("train", "val")))


def _names(content: Mapping[str, Any], part: str) -> tuple[str, ...]:
    names = content[part]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{part} is no list of names")
    return tuple(names)
