"""A data set of demonstrations: a directory with one npz per episode and one manifest.

The writer can be stopped at any time and continued later; the reader checks every file before it is used.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kinevla.data.episode import EPISODE_FORMAT, Episode, read_episode, write_episode
from kinevla.data.images import decode_jpeg
from kinevla.data.packing import DataError
from kinevla.manifest import (
    MANIFEST_NAME,
    ManifestError,
    file_sha256,
    listed_file,
    read_manifest,
    require_listed,
    write_manifest,
)
from kinevla.observation.images import ImagePipeline
from kinevla.out_folder import refuse_recordings
from kinevla.plain import flattened, to_plain

EPISODES_KIND = "episodes"


@dataclass(frozen=True)
class EpisodeEntry:
    """What the manifest says about one episode; `source` tells the recording it was made of from others."""

    name: str
    task: int
    seed: int
    frames: int
    noisy: bool
    goal_success: bool | None
    kinematics_success: bool | None
    source: str = ""

    @property
    def file(self) -> str:
        """Path of the episode relative to the data set."""
        return f"episodes/{self.name}.npz"

    @classmethod
    def of(cls, episode: Episode, source: str = "") -> EpisodeEntry:
        """Describe an episode."""
        return cls(
            name=episode.name,
            task=episode.task,
            seed=episode.seed,
            frames=len(episode),
            noisy=episode.noisy,
            goal_success=episode.goal_success,
            kinematics_success=episode.kinematics_success,
            source=source,
        )


class EpisodeWriter:
    """Adds episodes to a data set directory; opening an existing one continues it.

    Args:
        config: what the set is made with; a set made with another configuration is refused.
        images: what was done to the images it holds; None for the default pipeline.

    Raises:
        DataError: the directory holds episodes of another configuration.
        ManifestError: it holds another result, or recordings.
    """

    def __init__(self, directory: Path, config: dict[str, Any], images: ImagePipeline | None = None) -> None:
        self.directory, self.images = Path(directory), images or ImagePipeline()
        self.config = dict(config) | {"images": to_plain(self.images), "episode_format": EPISODE_FORMAT}
        self.dropped: list[dict[str, Any]] = []
        self._entries: dict[str, EpisodeEntry] = {}
        self._sha256: dict[str, str] = {}
        if (self.directory / MANIFEST_NAME).exists():
            self._continue()
        else:
            refuse_recordings(self.directory)
        (self.directory / "episodes").mkdir(parents=True, exist_ok=True)

    def _continue(self) -> None:
        manifest = read_manifest(self.directory, kind=EPISODES_KIND)
        entries, self.dropped = _entries_of(manifest), list(manifest["summary"]["dropped"])
        if not entries and not self.dropped:
            return  # nothing was made yet, in whatever way
        config, asked = flattened(_config_of(manifest)), flattened(self.config)
        for key in sorted(set(config) | set(asked)):
            old, new = config.get(key), asked.get(key)
            if old != new:
                raise DataError(
                    f"{self.directory} was made with {key} = {old!r}, asked for {new!r}: use another --out"
                )
        for entry in entries:
            path = self.directory / entry.file
            expected = manifest["files"][entry.file]["sha256"]
            # A file that was lost or damaged is simply not kept: its episode will be made again.
            if path.is_file() and file_sha256(path) == expected:
                self._entries[entry.name] = entry
                self._sha256[entry.file] = expected

    @property
    def entries(self) -> tuple[EpisodeEntry, ...]:
        """The episodes held, sorted by task and seed."""
        return tuple(sorted(self._entries.values(), key=lambda entry: (entry.task, entry.seed)))

    def add(self, episode: Episode, source: str = "") -> Path:
        """Store an episode and record it in the manifest; returns its file."""
        image = decode_jpeg(episode.front_jpeg[0])
        size = self.images.size_px
        if image.shape[:2] != (size, size):
            raise DataError(
                f"episode {episode.name} has images of {image.shape[:2]}, the set holds {size} x {size}"
            )
        entry = EpisodeEntry.of(episode, source)
        path = self.directory / entry.file
        write_episode(path, episode)
        self._entries[entry.name] = entry
        self._sha256[entry.file] = file_sha256(path)
        self.save_manifest()
        return path

    def take(self, reader: EpisodeReader, index: int) -> None:
        """Copy an episode of another set as it is; the caller saves the manifest.

        Raises:
            DataError: the file is damaged, or this set holds an episode of that name.
        """
        entry = reader.entries[index]
        source = reader.checked_file(index)
        if entry.name in self._entries:
            raise DataError(f"{source} has the name of an episode that {self.directory} holds already")
        shutil.copyfile(source, self.directory / entry.file)
        self._entries[entry.name] = entry
        self._sha256[entry.file] = reader.sha256(index)

    def drop(self, task: int, seed: int, reason: str) -> None:
        """Record an attempt that was not kept, so that it is counted and not repeated."""
        self.dropped.append({"task": task, "seed": seed, "reason": reason})
        self.save_manifest()

    def save_manifest(self) -> None:
        """Write the manifest of what is held now."""
        entries = self.entries
        summary = {
            "episodes": len(entries),
            "frames": sum(entry.frames for entry in entries),
            "noisy_episodes": sum(entry.noisy for entry in entries),
            "episodes_per_task": {str(k): v for k, v in sorted(Counter(e.task for e in entries).items())},
            "dropped_count": len(self.dropped),
            "dropped": sorted(self.dropped, key=lambda item: (item["task"], item["seed"])),
            "entries": entries,
        }
        write_manifest(
            self.directory,
            kind=EPISODES_KIND,
            files=[entry.file for entry in entries],
            config=self.config,
            summary=summary,
            known_sha256=self._sha256,
        )


def _config_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a set was made with; the first ones named only the size of their images."""
    config = dict(manifest["config"])
    if (size := config.pop("image_size", None)) is not None:
        config["images"] = to_plain(ImagePipeline(size))
    return config


def _entries_of(manifest: dict[str, Any]) -> list[EpisodeEntry]:
    names = {field.name for field in fields(EpisodeEntry)}
    try:
        return [
            EpisodeEntry(**{k: v for k, v in item.items() if k in names})
            for item in manifest["summary"]["entries"]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ManifestError(f"{MANIFEST_NAME}: its summary lists no episodes: {error!r}") from error


class EpisodeReader:
    """Reads a data set; every file is checked against the manifest's hash when it is read.

    Attributes:
        entries: the episodes in a fixed order (task, seed).
        config: what the set was made with.
        images: what was done to its images.
        summary: counts.

    Raises:
        ManifestError: no manifest, of another kind, or one that does not list all its episodes.
        DataError: a listed episode is missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        manifest = read_manifest(self.directory, kind=EPISODES_KIND)
        self.config = _config_of(manifest)
        self.images = ImagePipeline.from_dict(self.config["images"])
        self.summary: dict[str, Any] = manifest["summary"]
        self.entries: tuple[EpisodeEntry, ...] = tuple(_entries_of(manifest))
        self._sha256 = {name: item["sha256"] for name, item in manifest["files"].items()}
        require_listed(manifest, self.directory, (entry.file for entry in self.entries))
        for entry in self.entries:
            if not (self.directory / entry.file).is_file():
                raise DataError(f"{self.directory / entry.file} is listed in {MANIFEST_NAME} but missing")

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Episode]:
        return (self.read(index) for index in range(len(self)))

    def motions(self) -> Iterator[Episode]:
        """Yield all episodes without images, in the order of `entries`; see `read`."""
        return (self.read(index, motion_only=True) for index in range(len(self)))

    def read(self, index: int, *, motion_only: bool = False) -> Episode:
        """Read episode `index` of `entries`, with `motion_only` without its images.

        Raises:
            DataError: the file is damaged or differs from the manifest; the text names it.
        """
        return read_episode(self.checked_file(index), motion_only=motion_only)

    def sha256(self, index: int) -> str:
        """Return the hash of the file of episode `index` as the manifest states it."""
        return self._sha256[self.entries[index].file]

    def checked_file(self, index: int) -> Path:
        """Return the file of episode `index` after comparing it with the manifest."""
        entry = self.entries[index]
        try:
            path = listed_file(self.directory, entry.file)
        except ManifestError as error:
            raise DataError(str(error)) from error
        if file_sha256(path) != self._sha256[entry.file]:
            raise DataError(f"{path} is damaged: its sha256 differs from {MANIFEST_NAME}")
        return path
