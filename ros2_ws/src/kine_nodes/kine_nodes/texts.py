"""Texts of others as they may be shown: in logs, diagnostics, answers and on the operator's page.

A name in a message can be a megabyte long, and hold line breaks or the codes that colour a terminal: it could
write lines of its own into the log, or fill the disk. Plain Python.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice

MAX_TEXT = 500
MAX_NAME = 64
MAX_LISTED = 12


def printable(text: object, bound: int = MAX_TEXT) -> str:
    """A text in one line: what is not printable is escaped, and what is beyond `bound` characters cut.

    Args:
        text: anything; of what is no text, its `str`.
        bound: most characters of the result, the note on the cut among them.
    """
    plain = text if isinstance(text, str) else str(text)
    # Escapes are longer than what they stand for: no more is looked at than can be shown.
    shown = plain[: bound + 1]
    if not shown.isprintable():
        shown = "".join(map(_escaped, shown))
    if len(shown) <= bound:
        return shown
    note = f"... ({len(plain)} characters)"
    return shown[: max(0, bound - len(note))] + note


def listed(names: Iterable[object], most: int = MAX_LISTED) -> str:
    """Names for a sentence: the first `most` of them, each printable, and how many there are."""
    held: Sequence[object] = names if isinstance(names, list | tuple) else list(names)
    shown = ", ".join(printable(name, MAX_NAME) for name in islice(held, most))
    return shown if len(held) <= most else f"{shown} and {len(held) - most} more"


def text_problem(text: str, most: int) -> str:
    """What keeps a text of a person from being stored as it is; empty when nothing does.

    Args:
        text: one line.
        most: characters allowed.
    """
    if len(text) > most:
        return f"has {len(text)} characters, at most {most} are allowed"
    for position, character in enumerate(text):
        # Category C: control, format, surrogate, private use, unassigned.
        if unicodedata.category(character).startswith("C"):
            return f"holds U+{ord(character):04X} at position {position}"
    return ""


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
