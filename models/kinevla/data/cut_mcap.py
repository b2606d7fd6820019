"""The complete records of an mcap file that was cut off, those of its cut chunk among them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema

from kinevla.data.mcap_file import declared_bytes
from kinevla.data.stored import MAX_CHUNK_BYTES

_MAGIC_BYTES = 8
_HEAD = struct.Struct("<BQ")


def cut_records(stream: BinaryIO, size: int) -> Iterator[Schema | Channel | Message]:
    """Yield what describes messages and the messages, until the file ends or makes no sense any more."""
    stream.seek(_MAGIC_BYTES)
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        opcode, length = _HEAD.unpack(head)
        body = stream.read(min(length, size - stream.tell(), MAX_CHUNK_BYTES))
        if opcode == Opcode.CHUNK:
            yield from _inside(body, whole=len(body) == length)
        elif opcode in (Opcode.DATA_END, Opcode.FOOTER) or len(body) < length:
            return
        elif (record := _record(opcode, body)) is not None:
            yield record


def _inside(body: bytes, *, whole: bool) -> Iterator[Schema | Channel | Message]:
    try:
        chunk = Chunk.read(ReadDataStream(BytesIO(body)))
        data = _unpacked(chunk)
    except Exception:  # half a chunk can be anything
        return
    if whole and chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        return
    at = 0
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            return
        if (record := _record(opcode, data[at : at + length])) is not None:
            yield record
        at += length


def _unpacked(chunk: Chunk) -> bytes:
    """Return as much of a chunk as there is; of one that declares too much nothing."""
    if chunk.uncompressed_size > MAX_CHUNK_BYTES:
        return b""
    if chunk.compression == "zstd":
        if declared_bytes(chunk.data) > MAX_CHUNK_BYTES:
            return b""
        return zstandard.ZstdDecompressor().decompressobj().decompress(chunk.data)
    if chunk.compression == "lz4":
        plain = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=MAX_CHUNK_BYTES)
        return bytes(plain)
    return bytes(chunk.data) if not chunk.compression else b""


def _record(opcode: int, body: bytes) -> Schema | Channel | Message | None:
    stream = ReadDataStream(BytesIO(body))
    try:
        if opcode == Opcode.SCHEMA:
            return Schema.read(stream)
        if opcode == Opcode.CHANNEL:
            return Channel.read(stream)
        if opcode == Opcode.MESSAGE:
            return Message.read(stream, len(body))
    except Exception:  # damaged: as good as not there
        return None
    return None
