"""Which recording an episode was made of: by what it holds, so that one name in two folders means two."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kinevla.data.episodes import EpisodeEntry
from kinevla.data.identity import name_seed

_EDGE_BYTES = 1 << 20
_OWN_FILES = (".mcap", ".db3", ".zstd")


def fingerprint(path: Path) -> str:
    """Return what tells a recording from others: its name, and the sizes, beginnings and ends of its files.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256(Path(path).resolve().name.encode())
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    for file in files:
        if not file.is_file() or (path.is_dir() and file.suffix not in _OWN_FILES):
            continue
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            digest.update(f"{size}\n".encode() + stream.read(_EDGE_BYTES))
            stream.seek(max(0, size - _EDGE_BYTES))
            digest.update(stream.read(_EDGE_BYTES))
    return digest.hexdigest()


class SourceRegister:
    """Gives each recording a seed of its own, and knows which ones a data set holds."""

    def __init__(self, entries: Iterable[EpisodeEntry]) -> None:
        held = list(entries)
        self._held = Counter(entry.source for entry in held if entry.source)
        # Sets of before know their recordings by name alone.
        self._by_name = {entry.seed for entry in held if not entry.source}
        self._taken = {entry.seed for entry in held}

    def seed_of(self, name: str, source: str) -> int | None:
        """Return the seed of a recording that is to be converted; None when the set holds it.

        Args:
            name: of the recording; the first one with a name gets the name's own seed.
        """
        if self._held[source] > 0:
            self._held[source] -= 1
            return None
        seed, number = name_seed(name), 0
        if seed in self._by_name:
            self._by_name.discard(seed)
            return None
        while seed in self._taken:
            number += 1
            seed = name_seed(f"{name}\n{source}\n{number}")
        self._taken.add(seed)
        return seed
