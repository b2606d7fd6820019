"""Single images of a data set, read where they lie in the episode files.

Training in random order looks at a few frames of an episode and then at another one. Reading whole episodes
for that, or keeping them, does not work for a set larger than memory.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinevla.data.episode import CAMERAS
from kinevla.data.episodes import EpisodeReader
from kinevla.data.packing import DataError, check_npz

_KEPT_PLACES = 4096
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip member: signature, lengths of name and extra field


@dataclass(frozen=True)
class _Places:
    """Where the images of one episode begin in its file: (T + 1,) per camera, bytes."""

    path: Path
    begins: tuple[NDArray[np.int64], ...]


class FrameReader:
    """Gives JPEG images by episode and frame; what it keeps in memory is where they lie.

    A file is compared with the manifest when its first image is read.
    """

    def __init__(self, reader: EpisodeReader) -> None:
        self._reader = reader
        self._checked: set[int] = set()
        self._places = lru_cache(maxsize=_KEPT_PLACES)(self._find)

    def jpeg(self, episode: int, frame: int) -> tuple[bytes, ...]:
        """Return the images of one frame, one for each of `CAMERAS`.

        Raises:
            DataError: the file is missing, damaged or differs from the manifest.
            IndexError: the episode has no such frame.
        """
        places = self._places(episode)
        count = len(places.begins[0]) - 1
        if not 0 <= frame < count:
            raise IndexError(f"{places.path} has {count} frames, asked for frame {frame}")
        images = []
        with places.path.open("rb") as stream:
            for begins in places.begins:
                stream.seek(int(begins[frame]))
                images.append(stream.read(int(begins[frame + 1] - begins[frame])))
        return tuple(images)

    def _find(self, episode: int) -> _Places:
        if episode in self._checked:
            path = self._reader.directory / self._reader.entries[episode].file
        else:
            path = self._reader.checked_file(episode)
            self._checked.add(episode)
        try:
            check_npz(path)
            with np.load(path, allow_pickle=False) as arrays:
                begins = [_array_begin(path, f"{c}_bytes") + arrays[f"{c}_offsets"] for c in CAMERAS]
        except (KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged: {error}") from error
        return _Places(path, tuple(begins))


def _array_begin(path: Path, name: str) -> int:
    """Return where in an npz file the first byte of an array lies."""
    with zipfile.ZipFile(path) as archive:
        item = archive.getinfo(f"{name}.npy")
    if item.compress_type != zipfile.ZIP_STORED:
        raise DataError(f"{path} holds {name} compressed; images can only be read where they lie as they are")
    with path.open("rb") as stream:
        stream.seek(item.header_offset)
        _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        stream.seek(name_bytes + extra_bytes, 1)
        major, _ = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        read(stream)
        return stream.tell()
