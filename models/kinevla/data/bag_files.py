"""The files of a recording, sqlite3 or mcap, each known by its first bytes: topics, definitions, messages.

No definition of a message type is parsed here, so that a topic nobody needs can spoil nothing. Files that are
compressed as a whole are unpacked beside; what a recorder left unfinished is said so.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import quote

import zstandard

from kinevla.bounded import MIB, require_size
from kinevla.data.mcap_file import McapFile, declared_bytes
from kinevla.data.packing import DataError
from kinevla.data.stored import MessageFile, Stored, Topic

Kind = Literal["mcap", "sqlite3", "zstd", "ros1"]
MAX_MESSAGE_BYTES = 256 * MIB
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89MCAP0\r\n", "mcap"),
    (b"SQLite format 3\0", "sqlite3"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"#ROSBAG V", "ros1"),
)
_ZSTD = _MAGIC[2][0]
_LEFT_BY_SQLITE = ("-wal", "-journal")
_SPARE_BYTES = 512 * MIB
_BLOCK_BYTES = 4 * MIB


def kind_of(path: Path) -> Kind | None:
    """Say by its first bytes what a file is; None for anything that is no recording."""
    with Path(path).open("rb") as stream:
        head = stream.read(16)
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


@contextmanager
def open_file(path: Path) -> Iterator[MessageFile]:
    """Open one file, and never change it or what lies beside it.

    Raises:
        DataError: neither mcap nor sqlite3, damaged, or cut off.
        TooLargeError: it unpacks to more than there is room for.
        OSError: it cannot be read.
    """
    with TemporaryDirectory(prefix="kinevla-") as folder:
        plain, kind = path, kind_of(path)
        if kind == "zstd":
            plain = Path(folder) / "plain"
            _unpack(path, plain)
            kind = kind_of(plain)
        if kind == "mcap":
            with plain.open("rb") as stream:
                yield McapFile(stream, path)
        elif kind == "sqlite3":
            beside = [path.with_name(path.name + end) for end in _LEFT_BY_SQLITE]
            if any(item.is_file() and item.stat().st_size for item in beside):
                # What a killed recorder left there belongs to the file, and sqlite3 would write it back.
                plain = Path(folder) / "plain"
                for source in (path, *(item for item in beside if item.is_file())):
                    shutil.copyfile(source, plain.with_name("plain" + source.name[len(path.name) :]))
            with _sqlite(plain, path) as file:
                yield file
        elif kind == "ros1":
            raise DataError(f"{path} is a bag of ROS 1: convert it with rosbags-convert first")
        else:
            raise DataError(f"{path} is neither an mcap nor a sqlite3 file")


def unpacked(data: bytes) -> bytes:
    """Return a message that was compressed by itself, and any other one as it is.

    Raises:
        TooLargeError: it declares more than a message may have.
        DataError: the compression is damaged.
    """
    if not data.startswith(_ZSTD):  # a message begins with zero
        return data
    try:
        require_size("a message unpacked", declared_bytes(data), MAX_MESSAGE_BYTES)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_MESSAGE_BYTES)
    except zstandard.ZstdError as error:
        raise DataError(f"a compressed message is damaged: {error}") from error


def _unpack(path: Path, plain: Path) -> None:
    written, bound = 0, shutil.disk_usage(plain.parent).free - _SPARE_BYTES
    try:
        with path.open("rb") as packed, plain.open("wb") as out:
            for block in zstandard.ZstdDecompressor().read_to_iter(packed, write_size=_BLOCK_BYTES):
                written += len(block)
                require_size(f"{path} unpacked so far", written, bound)
                out.write(block)
    except zstandard.ZstdError as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from error


class _Sqlite:
    """An open database of rosbag2."""

    cut_off = ""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        texts: dict[str, str] = {}
        tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := sorted({"topics", "messages"} - tables):
            raise DataError(f"{path} is damaged or no rosbag2: missing tables {', '.join(missing)}")
        if "message_definitions" in tables:
            rows = self._rows(
                "SELECT topic_type, encoded_message_definition FROM message_definitions "
                "WHERE encoding = 'ros2msg'"
            )
            texts = {str(kind): str(text) for kind, text in rows}
        counts = dict(self._rows("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
        self.topics: dict[str, Topic] = {}
        self._ids: dict[int, tuple[str, str]] = {}
        for number, name, kind, form in self._rows("SELECT id, name, type, serialization_format FROM topics"):
            self._ids[number] = (str(name), str(kind))
            topic = self.topics.setdefault(str(name), Topic(str(kind), str(form), texts.get(str(kind), "")))
            topic.messages += counts.get(number, 0)

    def messages(self, topics: frozenset[str]) -> Iterator[Stored]:
        chosen = [number for number, (name, _) in self._ids.items() if name in topics]
        marks = ",".join("?" * len(chosen))
        query = f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) ORDER BY rowid"
        for number, received_ns, data in self._rows(query, tuple(chosen)):
            content = data if isinstance(data, bytes) else b""
            yield Stored(*self._ids[number], int(received_ns), content)

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DataError(f"{self._path} is damaged or no rosbag2: {error}") from error


@contextmanager
def _sqlite(plain: Path, path: Path) -> Iterator[_Sqlite]:
    """Open a database; only a copy of it may be written to."""
    way = "" if plain != path else "?mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(plain.absolute()))}{way}", uri=True)
    try:
        yield _Sqlite(connection, path)
    finally:
        connection.close()
