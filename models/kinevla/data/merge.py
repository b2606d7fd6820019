"""One data set out of several, as of recorded and generated demonstrations."""

from __future__ import annotations

from pathlib import Path

from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.data.packing import DataError
from kinevla.data.whole_folder import whole_folder


def merge(directories: tuple[Path, ...], out: Path) -> EpisodeReader:
    """Copy the episodes of all sets into a new one; every file is compared with its manifest on the way.

    Args:
        directories: the sets, at least two; of one image pipeline, rate and number of dimensions.
        out: a directory that does not exist yet, or is empty; without an end it is left as it was.

    Returns:
        The new set.

    Raises:
        DataError: sets that do not go together, an episode in two of them, a damaged file, `out` in use.
    """
    readers = [EpisodeReader(directory) for directory in directories]
    first: dict[str, object] = {}
    for reader in readers:
        for what, value in _format(reader).items():
            if first.setdefault(what, value) != value:
                raise DataError(
                    f"{reader.directory} has {what} {value}, {readers[0].directory} {first[what]}: "
                    "they cannot be one data set"
                )
    with whole_folder(Path(out)) as folder:
        writer = EpisodeWriter(
            folder,
            {"source": "merge", "merged": [reader.config for reader in readers]},
            readers[0].images,
        )
        for reader in readers:
            for index in range(len(reader)):
                writer.take(reader, index)
        writer.save_manifest()
    return EpisodeReader(out)


def _format(reader: EpisodeReader) -> dict[str, object]:
    """Return what the sets must have in common; within a set it is the same by construction."""
    if not len(reader):
        raise DataError(f"{reader.directory} holds no episodes")
    episode = reader.read(0, motion_only=True)
    return {
        "images": reader.images,
        "period_s": round(episode.period_s, 9),
        "dimensions": episode.target.shape[1],
    }
