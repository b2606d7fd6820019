"""Npz files without pickle: lists of JPEG images as one byte buffer with offsets, texts as unicode arrays.

An archive of a few megabytes can unpack to gigabytes, and the header of an array can ask for more than its
archive holds: what a file declares is added up before anything is unpacked.
"""

from __future__ import annotations

import io
import itertools
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kinevla.bounded import MIB, TooLargeError, printable, require_size

MAX_NPZ_BYTES = 1024 * MIB  # Unpacked; an episode of ten minutes has 250 MB
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


class DataError(RuntimeError):
    """A data file or data set is damaged, incomplete or of another kind; the text names the file."""


def pack_bytes(items: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Concatenate byte strings; item i is `buffer[offsets[i]:offsets[i + 1]]`."""
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum([len(item) for item in items], out=offsets[1:])
    return np.frombuffer(b"".join(items), dtype=np.uint8), offsets


def unpack_bytes(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[bytes, ...]:
    """Undo `pack_bytes`.

    Raises:
        ValueError: offsets that do not rise from 0 to the buffer's length.
    """
    if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(buffer):
        raise ValueError(f"offsets do not span the buffer of {len(buffer)} bytes")
    if np.any(np.diff(offsets) < 0):
        raise ValueError("offsets fall")
    content = buffer.tobytes()
    return tuple(content[a:b] for a, b in itertools.pairwise(offsets.tolist()))


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return the bytes of an uncompressed npz holding `arrays`."""
    stream = io.BytesIO()
    np.savez(stream, **dict(arrays))  # type: ignore[arg-type]
    return stream.getvalue()


def read_npz(
    path: Path, required: Sequence[str], without: Sequence[str] = ()
) -> dict[str, NDArray[np.generic]]:
    """Read the required arrays of an npz but those `without`, never unpickling anything.

    Arrays that are not asked for stay where they are.

    Raises:
        DataError: missing, damaged, incomplete or too large a file, named in the text.
    """
    try:
        check_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            held = set(archive.files)
            arrays = {name: archive[name] for name in required if name in held and name not in without}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except TooLargeError as error:
        raise DataError(str(error)) from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if missing := [name for name in required if name not in held]:
        raise DataError(f"{path} lacks {', '.join(missing)}")
    return arrays
