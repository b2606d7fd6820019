"""Named configurations: a name, one line on what it is, and how the frozen dataclass is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownNameError(ValueError):
    """A name no registry holds; the text lists the known ones."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One named configuration."""

    name: str
    summary: str  # one line on what it is
    # builds the configuration; called on use, so that listing names loads nothing heavy
    make: Callable[[], T]


class Registry(Generic[T]):
    """Configurations of one kind by name.

    Raises:
        ValueError: a name that occurs twice.
    """

    def __init__(self, kind: str, *entries: Entry[T]) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise ValueError(f"a {kind} is named twice: {', '.join(entry.name for entry in entries)}")

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order they are listed."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """Build the configuration of a name.

        Raises:
            UnknownNameError: no such name; the known ones are listed.
        """
        if name not in self._entries:
            raise UnknownNameError(f"no {self.kind} is named {name!r}, known: {', '.join(self.names)}")
        return self._entries[name].make()
