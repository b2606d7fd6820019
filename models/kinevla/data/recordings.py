"""Where recordings lie below a folder, found by what files hold and not by how they are called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kinevla.data.bag_files import kind_of
from kinevla.data.bag_metadata import METADATA

_SCHEMA_BYTES = 1 << 16
_SET_ASIDE = ("quarantine", "discarded")


@dataclass(frozen=True)
class Found:
    """Recordings below some paths."""

    # folders that are opened, each by one path; also paths without any recording, so that opening them tells
    # what is wrong
    bags: tuple[Path, ...]
    # recordings that the recorder put into quarantine or that were discarded
    set_aside: tuple[Path, ...] = ()


def find_bags(paths: tuple[Path, ...]) -> Found:
    """Look for the recordings named by `paths`: bags themselves, or folders with bags below them.

    A folder is a recording when it has a `metadata.yaml` or a file that begins as recordings do, whatever its
    name. Links to folders are followed. Recordings that were put into quarantine or discarded count only when
    they, or their folder, are named themselves.
    """
    bags: dict[Path, Path] = {}
    aside: dict[Path, Path] = {}
    for path in map(Path, paths):
        below = _below(path) if path.is_dir() else []
        for folder in below or [path]:
            parts = folder.relative_to(path).parts if below else ()
            place = aside if set(_SET_ASIDE) & set(parts) else bags
            place.setdefault(folder.resolve(), folder)
        if below and not any(folder.resolve() in bags for folder in below):
            bags.setdefault(path.resolve(), path)
    return Found(tuple(bags.values()), tuple(f for real, f in aside.items() if real not in bags))


def _below(path: Path) -> list[Path]:
    """Return the folders at or below a path that hold a recording, sorted."""
    found, seen = [], set[Path]()
    for name, folders, files in os.walk(path, followlinks=True):
        folder = Path(name)
        if (real := folder.resolve()) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        if METADATA in files or any(_is_recording(folder / file) for file in files):
            found.append(folder)
    return sorted(found)


def _is_recording(file: Path) -> bool:
    """Say whether a file is, or should be, one of a recording."""
    try:
        return file.is_file() and _looks_like_one(file)
    except OSError:
        return False


def _looks_like_one(file: Path) -> bool:
    kind = kind_of(file)
    if kind == "sqlite3" and file.suffix != ".db3":  # so do many programs
        with file.open("rb") as stream:
            return b"serialization_format" in stream.read(_SCHEMA_BYTES)
    if kind == "zstd":  # anything can be compressed so
        return any(part in (".mcap", ".db3") for part in file.suffixes)
    # An empty or overwritten file is known by its name alone: it must be reported, not overlooked.
    return kind is not None or file.suffix in (".mcap", ".db3", ".bag")
