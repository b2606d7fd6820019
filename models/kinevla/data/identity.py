"""Which task an episode shows, how it is numbered, and which recording it was made of."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kinevla.data.episodes import EpisodeEntry
from kinevla.text.annotate import Annotation, AnnotationError, annotate
from kinevla.text.corpus import load_task_texts
from kinevla.text.instruction import normalised, tidy

# Task numbers of the real-robot tasks are those of the simulator; the other sets follow in their hundreds.
_OFFSET = {"kine_realman": 0, "libero_goal_relabeled": 100, "kine_libero": 200}
_FIRST_FREE = 1_000
_FREE = 1_000_000
_SEEDS = 100_000_000


def task_number(instruction: str, coarse: str, fine: str) -> int:
    """Return the task's number: that of the annotated task with these texts, else one from their hash.

    Training keeps one set of texts per task number, so different texts must not share a number.
    """
    for task in load_task_texts():
        if (task.instruction, task.coarse, task.fine) == (instruction, coarse, fine):
            return _OFFSET[task.dataset] + task.number
    return _FIRST_FREE + _hash(f"{instruction}\n{coarse}\n{fine}", _FREE)


def name_seed(name: str) -> int:
    """Return a number below 10^8 that stays the same for a recording's name."""
    return _hash(name, _SEEDS)


def texts_for(instruction: str, coarse: str = "", fine: str = "") -> Annotation:
    """Complete the texts of an instruction: given ones first, then the annotated tasks, then the grammar.

    Raises:
        AnnotationError: a text is missing and the instruction is in neither.
    """
    if not normalised(instruction):
        raise AnnotationError("there is no instruction: give --instruction")
    plain, coarse, fine = normalised(instruction), tidy(coarse), tidy(fine)
    if coarse and fine:
        return Annotation(plain, coarse, fine)
    for task in load_task_texts():
        if task.instruction == plain:
            return Annotation(task.instruction, coarse or task.coarse, fine or task.fine)
    found = annotate(instruction)
    return Annotation(found.instruction, coarse or found.coarse, fine or found.fine)


def _hash(text: str, bound: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % bound


_EDGE_BYTES = 1 << 20
_OWN_FILES = (".mcap", ".db3", ".zstd")


def fingerprint(path: Path) -> str:
    """Return what tells a recording from others: its name, and sizes, beginnings and ends of its files.

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

        The first recording with a name gets the name's own seed.
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
