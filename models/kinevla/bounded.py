"""Files of others, read without taking more memory than they may: sizes are looked at first.

A file can declare what it does not hold: an archive of megabytes that unpacks to gigabytes, a table of
terabytes without a byte in it, a text that is nested a million times. The bounds are far above anything this
project writes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MIB = 1 << 20
MAX_JSON_BYTES = 64 * MIB  # The manifest of a hundred thousand episodes has 45 MB


class TooLargeError(ValueError):
    """A file holds or declares more than its bound; the text names both."""


def printable(text: object, bound: int = 200) -> str:
    """Return what a file says of itself as it may be shown: control characters escaped, and cut."""
    plain = str(text)
    cut = plain if len(plain) <= bound else f"{plain[:bound]}... ({len(plain)} characters)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def require_size(what: str, size: int, bound: int) -> None:
    """Refuse a size, in bytes, above its bound.

    Raises:
        TooLargeError: naming what, size and bound.
    """
    if size > bound:
        raise TooLargeError(f"{what} has {size} bytes, the bound is {bound}")


def read_bounded(path: Path, bound: int) -> bytes:
    """Return the content of a file of at most `bound` bytes.

    Raises:
        OSError: it cannot be read.
        TooLargeError: it is larger.
    """
    with Path(path).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        require_size(str(path), size, bound)
        return stream.read(size)


def read_json(path: Path, bound: int = MAX_JSON_BYTES) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, not UTF-8, nested too deep, or larger than `bound` bytes.
    """
    content = read_bounded(path, bound)
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deep") from None
