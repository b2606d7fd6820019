"""Npz files of others: what they declare is added up before anything is unpacked.

An archive of a few megabytes can unpack to gigabytes, and the header of an array can ask for more than its
archive holds.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from kinevla.bounded import MIB, TooLargeError, printable, require_size

MAX_NPZ_BYTES = 1024 * MIB
"""Unpacked; an episode of ten minutes has 250 MB."""
MAX_MEMBERS = 1000


def check_npz(path: Path) -> None:
    """Refuse an npz that unpacks to more than its bound, or whose arrays declare more than it holds.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
        ValueError: no array, or a declared size above its bound (TooLargeError).
    """
    require_size(str(path), path.stat().st_size, MAX_NPZ_BYTES)
    with zipfile.ZipFile(path) as archive:
        items = archive.infolist()
        if len(items) > MAX_MEMBERS:
            raise TooLargeError(f"{path} holds {len(items)} arrays, the bound is {MAX_MEMBERS}")
        require_size(f"{path} unpacked", sum(item.file_size for item in items), MAX_NPZ_BYTES)
        for item in items:
            with archive.open(item) as stream:
                declared = _declared_bytes(stream)
            if declared > item.file_size:
                raise TooLargeError(
                    f"{path}: {printable(item.filename)} declares {declared} bytes and has {item.file_size}"
                )


def _declared_bytes(stream: IO[bytes]) -> int:
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    # A type of no size makes any number of elements look like nothing.
    return math.prod(shape) * max(1, kind.itemsize)
