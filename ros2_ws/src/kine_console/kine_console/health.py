"""The diagnostics of all nodes as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kine_nodes.texts import printable

MAX_STATUSES = 64
MAX_VALUES = 80
MAX_TEXT = 300

_COUNTED = ("refus", "drop", "lost", "missed", "failure", "not_believed", "waited", "repeated", "wrong")
"""Parts of the keys that count something an operator should know of."""


@dataclass(frozen=True)
class Status:
    """One diagnostic status, cut to a bounded size."""

    name: str
    level: int
    message: str
    values: dict[str, str]
    received_s: float

    @classmethod
    def bounded(
        cls, name: str, level: int, message: str, values: Mapping[str, str], received_s: float
    ) -> Status:
        """From whatever a publisher sent."""
        kept = {
            printable(key, MAX_TEXT): printable(value, MAX_TEXT)
            for key, value in islice(values.items(), MAX_VALUES)
        }
        return cls(printable(name, MAX_TEXT), level, printable(message, MAX_TEXT), kept, received_s)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "level": self.level,
            "message": self.message,
            "values": self.values,
            "received_s": round(self.received_s, 1),
        }


def counters(statuses: Iterable[Status]) -> list[dict[str, Any]]:
    """Everything refused, dropped or missed that is not zero, most often first."""
    rows: list[tuple[int, str, str]] = []
    for status in statuses:
        node = status.name.split(":")[0]
        for key, value in status.values.items():
            if value.isdigit() and int(value) > 0 and any(word in key.lower() for word in _COUNTED):
                rows.append((-int(value), node, key.replace("_", " ")))
    return [
        {"node": node, "what": what, "count": -count} for count, node, what in sorted(rows)[:MAX_STATUSES]
    ]
