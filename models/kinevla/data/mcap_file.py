"""Mcap files of a recording: whatever lengths are written in them, no more is read than they hold."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk

from kinevla.bounded import TooLargeError, printable, require_size
from kinevla.data.packing import DataError
from kinevla.data.stored import MAX_CHUNK_BYTES, Stored, Topic

_MAGIC = b"\x89MCAP0\r\n"
_MAGIC_BYTES = len(_MAGIC)
_RECORD, _U64 = struct.Struct("<BQ"), struct.Struct("<Q")


class _Bounded:
    """A file that is never asked for more than it holds: a length in it can be any number."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self.size = stream, size

    def read(self, length: int = -1) -> bytes:
        left = max(0, self.size - self._stream.tell())
        return self._stream.read(left if length < 0 else min(length, left))

    def seek(self, place: int, whence: int = 0) -> int:
        from_start = (
            place if whence == 0 else self._stream.tell() + place if whence == 1 else self.size + place
        )
        return self._stream.seek(max(0, min(from_start, self.size)))

    def tell(self) -> int:
        return self._stream.tell()


class McapFile:
    """An mcap file: topics from its summary where it has one, messages from front to back.

    Of a file without an end, as a killed recorder leaves it, the messages before the cut are given.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = _Bounded(stream, stream.seek(0, 2))
        self._path, self._unpacked = path, f"{path}: a chunk unpacked"
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self.topics: dict[str, Topic] = {}
        self.cut_off = ""
        self._check_chunks()
        self._stream.seek(-_MAGIC_BYTES, 2)
        self._ended = self._stream.read() == _MAGIC
        summary = None
        if self._ended:
            with self._damage_named():
                self._stream.seek(0)
                summary = SeekingReader(self._stream, record_size_limit=MAX_CHUNK_BYTES).get_summary()  # type: ignore[arg-type]
        if summary is None or summary.statistics is None or not summary.channels:
            for message in self._records():
                self._count(message.channel_id, 1)
            return
        for record in (*summary.schemas.values(), *summary.channels.values()):
            self._note(record)
        for number, count in summary.statistics.channel_message_counts.items():
            if number in self._channels:
                self._count(number, count)

    def _check_chunks(self) -> None:
        """Look through the heads of all records: no chunk may unpack to more than its bound."""
        self._stream.seek(_MAGIC_BYTES)
        while len(head := self._stream.read(_RECORD.size)) == _RECORD.size:
            opcode, length = _RECORD.unpack(head)
            if opcode == Opcode.CHUNK and len(times := self._stream.read(24)) == 24:
                require_size(self._unpacked, _U64.unpack_from(times, 16)[0], MAX_CHUNK_BYTES)
                length -= 24
            if not 0 <= length <= self._stream.size:
                return  # damaged: the reader says so
            self._stream.seek(length, 1)

    def messages(self, topics: frozenset[str]) -> Iterator[Stored]:
        """Yield the messages of some topics in the order of recording."""
        for message in self._records():
            channel = self._channel(message.channel_id)
            if channel.topic in topics:
                yield Stored(channel.topic, self._type(channel), message.log_time, message.data)

    def _count(self, number: int, count: int) -> None:
        self.topics[self._channel(number).topic].messages += count

    def _channel(self, number: int) -> Channel:
        if (channel := self._channels.get(number)) is None:
            raise DataError(
                f"{self._path} is damaged: a message is of channel {number}, which it does not have"
            )
        return channel

    def _type(self, channel: Channel) -> str:
        schema = self._schemas.get(channel.schema_id)
        return "" if schema is None else schema.name

    def _records(self) -> Iterator[Message]:
        try:
            yield from self._complete_records()
        except DataError as error:
            if self._ended:
                raise
            self.cut_off = str(error)

    def _complete_records(self) -> Iterator[Message]:
        with self._damage_named():
            self._stream.seek(0)
            reader = StreamReader(self._stream, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES)  # type: ignore[arg-type]
            for record in reader.records:
                if isinstance(record, Chunk):
                    yield from self._inside(record)
                elif not self._note(record) and isinstance(record, Message):
                    yield record

    def _inside(self, chunk: Chunk) -> list[Message]:
        require_size(self._unpacked, chunk.uncompressed_size, MAX_CHUNK_BYTES)
        if chunk.compression == "zstd":
            require_size(self._unpacked, declared_bytes(chunk.data), MAX_CHUNK_BYTES)
        records = breakup_chunk(chunk, validate_crc=True)
        return [item for item in records if not self._note(item) and isinstance(item, Message)]

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except CRCValidationError:
            raise DataError(f"{self._path} is damaged: checksum mismatch of a chunk") from None
        except (TooLargeError, DataError):
            raise
        except (McapError, zstandard.ZstdError, struct.error, ArithmeticError, LookupError, RuntimeError,
                TypeError, ValueError) as error:  # fmt: skip
            reason = " ".join(str(error).split()) or "it ends too early"
            raise DataError(
                f"{self._path} is damaged or cut off (at byte {self._stream.tell()} of {self._stream.size}): "
                f"{printable(reason)}"
            ) from error

    def _note(self, record: object) -> bool:
        """Keep what describes messages."""
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._channels[record.id] = record
            schema = self._schemas.get(record.schema_id)
            text = schema.data.decode(errors="replace") if schema and schema.encoding == "ros2msg" else ""
            self.topics.setdefault(record.topic, Topic(self._type(record), record.message_encoding, text))
        else:
            return False
        return True


def declared_bytes(data: bytes) -> int:
    """Return how many bytes a zstd frame says it holds, 0 where it does not say."""
    size = zstandard.get_frame_parameters(data).content_size
    return 0 if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) else int(size)
