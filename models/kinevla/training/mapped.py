"""Arrays with a row per frame that lie in files: the system pages them in and out, memory need not hold them.

The files have no name. They go with the process that made them, so nothing stale can be met later and
several processes never write into the same one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# A multiple of the blocks the tokenizers compute in, so that a result does not depend on who cuts it.
_BLOCK = 65_536


def mapped_array(directory: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return a writable array of zeros in a nameless file.

    Args:
        directory: on the disk to use; made when missing.

    Raises:
        OSError: no room for it, said now and not by a crash while writing.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory) as stream:
        os.posix_fallocate(stream.fileno(), 0, size)
        # The mapping keeps the file alive after it is closed.
        return np.asarray(np.memmap(stream, dtype, "r+", shape=shape))


def mapped_result(
    directory: Path,
    function: Callable[[NDArray[Any]], NDArray[Any]],
    rows: NDArray[Any],
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Return function(rows) as a mapped array, computed block by block; the function treats rows one by one.

    Args:
        function: (B, ...) to (B, ...).
        rows: (N, ...).
    """
    result = None
    for begin in range(0, max(len(rows), 1), _BLOCK):
        part = function(rows[begin : begin + _BLOCK])
        if result is None:
            result = mapped_array(directory, (len(rows), *part.shape[1:]), dtype)
        result[begin : begin + len(part)] = part
    assert result is not None  # The loop runs at least once.
    return result
