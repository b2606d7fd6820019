"""A folder of results that is there as a whole or not at all, however its writing ends."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinevla.data.packing import DataError

UNFINISHED = ".kinevla-unfinished"
"""The part of a folder that is being written; one that a killed program left is cleared away by the next."""


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write to, whose content becomes that of `out` at the end of the `with` block.

    An error or Ctrl-C leaves `out` as it was before, so that the same command can be run again. Until the end
    all lies in one folder below `out`, not beside it: `out` may be a mount whose parent cannot be written.

    Raises:
        DataError: `out` holds something, is no folder, or another program is writing there.
        OSError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is no folder")
    if out.exists() and any(item.name != UNFINISHED for item in out.iterdir()):
        raise DataError(f"{out} is not empty")
    made = _missing(out)
    part = out / UNFINISHED
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another program is writing to {out}") from None
        try:
            _empty(part)
            yield part
            for item in sorted(part.iterdir(), key=lambda item: item.is_file()):
                item.rename(out / item.name)
            part.rmdir()
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            for folder in made:
                folder.rmdir()
            raise
    finally:
        os.close(handle)


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there yet, the lowest first."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _empty(folder: Path) -> None:
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()
