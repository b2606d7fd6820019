"""Mcap files of the recorder that were cut off: look through them, and finish them where they lie."""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, DataEnd, Footer, Header, MessageIndex, Schema, Statistics

from kine_teleop.recording.bag_writer import BagContents

MAX_CHUNK_BYTES = 1 << 30
MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
Visit = Callable[[str, str, int, bytes], None]  # topic, type, receive time in ns, serialised message


@dataclass
class _Scan:
    """What the complete chunks hold."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    pending: list[MessageIndex] = field(default_factory=list)  # index of the last chunk
    end: int = 0  # behind the last complete chunk

    def contents(self) -> BagContents:
        """For metadata.yaml."""
        counts = {
            (self.channels[i].topic, self.schemas[self.channels[i].schema_id].name): n
            for i, n in self.counts.items()
        }
        first = min((c.message_start_time for c in self.chunks), default=0)
        last = max((c.message_end_time for c in self.chunks), default=0)
        return BagContents(counts, first, last)


def is_finished(path: Path) -> bool:
    """Whether the mcap file has its summary and closing mark."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 2 * len(MAGIC):
            return False
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC


def finish_file(path: Path, visit: Visit | None = None) -> BagContents:
    """Cut `path` behind its last complete chunk and append index, summary and footer.

    Args:
        path: mcap file, uncompressed chunks; missing or empty: an empty bag is made.
        visit: called for every message, in order.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: it is being recorded right now, is no mcap file, or has compressed chunks.
    """
    if path.exists() and is_finished(path):
        return read_file(path, visit)
    with path.open("r+b" if path.exists() else "w+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{path} is being recorded right now") from None
        scan = _scan(file, path, visit)
        file.truncate(scan.end)
        file.seek(scan.end)
        file.write(_tail(scan))
    return scan.contents()


def read_file(path: Path, visit: Visit | None = None) -> BagContents:
    """Look through a finished file without changing it; as `finish_file` otherwise."""
    with path.open("rb") as file:
        return _scan(file, path, visit).contents()


def _scan(file: BinaryIO, path: Path, visit: Visit | None) -> _Scan:
    scan = _Scan()
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(len(MAGIC) + _HEAD.size)
    if not MAGIC.startswith(start[: len(MAGIC)]):
        raise ValueError(f"{path} is no mcap file")
    position = len(MAGIC)
    if len(start) < len(MAGIC) + _HEAD.size or position + _HEAD.size + _HEAD.unpack(start[8:])[1] > size:
        builder = RecordBuilder()
        Header("ros2", "kine_teleop").write(builder)
        file.seek(0)
        file.write(MAGIC + builder.end())
        scan.end = file.tell()
        return scan
    while position + _HEAD.size <= size:
        file.seek(position)
        opcode, length = _HEAD.unpack(file.read(_HEAD.size))
        after = position + _HEAD.size + length
        if after > size or opcode == Opcode.DATA_END:
            break
        if opcode == Opcode.CHUNK:
            _close_chunk(scan)
            if length > MAX_CHUNK_BYTES:
                raise ValueError(f"{path}: a chunk has {length} bytes, the bound is {MAX_CHUNK_BYTES}")
            chunk = Chunk.read(ReadDataStream(BytesIO(file.read(length))))
            if chunk.compression:
                raise ValueError(f"{path} has {chunk.compression} chunks; only plain ones are read")
            _read_chunk(scan, chunk, position, after - position, visit)
            scan.end = after
        elif opcode == Opcode.HEADER:
            scan.end = after
        elif opcode == Opcode.MESSAGE_INDEX and scan.chunks:
            _keep_index(scan, position, after)
        position = after
    return scan


def _read_chunk(scan: _Scan, chunk: Chunk, start: int, length: int, visit: Visit | None) -> None:
    index: dict[int, MessageIndex] = {}
    data, position = chunk.data, 0
    while position < len(data):
        opcode, size = _HEAD.unpack_from(data, position)
        body = position + _HEAD.size
        if opcode == Opcode.MESSAGE:
            channel_id, _, log_time, _ = _MESSAGE.unpack_from(data, body)
            index.setdefault(channel_id, MessageIndex(channel_id, [])).records.append((log_time, position))
            scan.counts[channel_id] = scan.counts.get(channel_id, 0) + 1
            if visit is not None:
                channel = scan.channels[channel_id]
                message = data[body + _MESSAGE.size : body + size]
                visit(channel.topic, scan.schemas[channel.schema_id].name, log_time, message)
        elif opcode == Opcode.SCHEMA:
            schema = Schema.read(ReadDataStream(BytesIO(data[body : body + size])))
            scan.schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(ReadDataStream(BytesIO(data[body : body + size])))
            scan.channels[channel.id] = channel
        position = body + size
    scan.pending = list(index.values())
    scan.chunks.append(
        ChunkIndex(
            chunk_start_offset=start,
            chunk_length=length,
            compression="",
            compressed_size=len(data),
            uncompressed_size=chunk.uncompressed_size,
            message_start_time=chunk.message_start_time,
            message_end_time=chunk.message_end_time,
            message_index_offsets={},
            message_index_length=0,
        )
    )


def _keep_index(scan: _Scan, position: int, after: int) -> None:
    """An index record that is on disk; those that were cut off are written again by `_tail`."""
    chunk = scan.chunks[-1]
    if not scan.pending:
        return
    channel_id = scan.pending.pop(0).channel_id
    chunk.message_index_offsets[channel_id] = position
    chunk.message_index_length += after - position
    scan.end = after


def _close_chunk(scan: _Scan) -> None:
    scan.pending = []


def _tail(scan: _Scan) -> bytes:
    """Missing index records of the last chunk, then the end of data, the summary and the footer."""
    builder = RecordBuilder()
    for index in scan.pending:
        scan.chunks[-1].message_index_offsets[index.channel_id] = scan.end + builder.count
        index.write(builder)
    if scan.pending:
        scan.chunks[-1].message_index_length += builder.count
    DataEnd(0).write(builder)
    data = builder.end()
    summary = RecordBuilder()
    contents = scan.contents()
    statistics = Statistics(
        attachment_count=0,
        channel_count=len(scan.channels),
        channel_message_counts=scan.counts,
        chunk_count=len(scan.chunks),
        message_count=sum(scan.counts.values()),
        message_start_time=contents.first_ns,
        message_end_time=contents.last_ns,
        metadata_count=0,
        schema_count=len(scan.schemas),
    )
    for record in (*scan.schemas.values(), *scan.channels.values(), statistics, *scan.chunks):
        record.write(summary)
    text = summary.end()
    footer = RecordBuilder()
    # A checksum of 0 means: none.
    Footer(summary_start=scan.end + len(data), summary_offset_start=0, summary_crc=0).write(footer)
    return bytes(data + text + footer.end() + MAGIC)
