"""Recordings of any rosbag2 recorder that was killed: readable again, and nothing that is there is changed.

A whole file only lacks its `metadata.yaml`. Of an mcap file that was cut off, every message that is complete
goes into a new file beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mcap.records import Channel, Message, Schema
from mcap.writer import CompressionType, Writer

from kinevla.bounded import TooLargeError
from kinevla.data.bag_files import kind_of, open_file
from kinevla.data.bag_metadata import METADATA, BagContents, bag_information, write_information
from kinevla.data.bags import REPAIRED, named_files, read_metadata
from kinevla.data.cut_mcap import cut_records
from kinevla.data.packing import DataError

_KINDS = ("mcap", "sqlite3", "zstd", "ros1")


@dataclass(frozen=True)
class Rescue:
    """What came of a recording: whether anything had to be done, and how many messages it holds."""

    folder: Path
    repaired: bool
    messages: int


def recording_files(folder: Path) -> list[Path]:
    """Return the files of a folder that begin as recordings do, by the numbers in their names."""
    found = [file for file in folder.iterdir() if file.is_file() and kind_of(file) in _KINDS]
    return sorted(found, key=lambda file: [int(n) for n in re.findall(r"\d+", file.stem)])


def rescue(folder: Path) -> Rescue:
    """Give a recording without `metadata.yaml` one; files that are there stay as they are.

    Raises:
        DataError: there is nothing to read, or something that cannot be rescued; named in one line.
        OSError: the new files cannot be written.
    """
    if (folder / METADATA).exists():
        try:
            names, promised = read_metadata(folder)
            named_files(folder, names)
        except (DataError, TooLargeError) as error:
            raise DataError(f"{error}: move it away, then it is written anew") from error
        return Rescue(folder, False, sum(promised.values()))
    files = recording_files(folder)
    kinds = {kind_of(file) for file in files}
    if not files:
        raise DataError(f"{folder} holds no recording that can be rescued")
    if len(kinds) > 1 or kinds & {"zstd", "ros1"}:
        odd = next((file for file in files if kind_of(file) in ("zstd", "ros1")), files[0])
        raise DataError(
            f"{odd} is a {kind_of(odd)} file, which is not repaired: unpack it with unzstd, or convert it "
            "with rosbags-convert, and repair what comes out"
        )
    contents = BagContents({})
    names = []
    for file in files:
        if file.stem.removesuffix(REPAIRED) + REPAIRED in {other.stem for other in files if other != file}:
            continue  # an earlier rescue of it was itself cut off behind its file
        names.append(_whole(file, contents).name)
    write_information(folder, bag_information(str(kinds.pop()), names, contents))
    return Rescue(folder, True, sum(contents.counts.values()))


def _whole(file: Path, contents: BagContents) -> Path:
    """Return the file, or what could be saved of it, after adding up what it holds."""
    try:
        _add(file, contents)
        return file
    except (DataError, TooLargeError) as error:
        if kind_of(file) != "mcap":
            raise DataError(str(error)) from error
    saved = file.with_name(f"{file.stem}{REPAIRED}{file.suffix}")
    part = saved.with_name(f"{saved.name}.part")
    try:
        if not _save(file, part):
            raise DataError(f"{file} holds no complete message: it cannot be rescued")
        _add(part, contents)
        part.replace(saved)
    finally:
        part.unlink(missing_ok=True)
    return saved


def _add(file: Path, contents: BagContents) -> None:
    times, counts = [], dict[tuple[str, str], int]()
    with open_file(file) as opened:
        for item in opened.messages(frozenset(opened.topics)):
            counts[item.topic, item.type] = counts.get((item.topic, item.type), 0) + 1
            times.append(item.received_ns)
        for name, topic in opened.topics.items():
            counts.setdefault((name, topic.type), 0)
        if opened.cut_off:
            raise DataError(opened.cut_off)
    for key, count in counts.items():
        contents.counts[key] = contents.counts.get(key, 0) + count
    if times:
        contents.first_ns = min(times) if not contents.first_ns else min(contents.first_ns, *times)
        contents.last_ns = max(contents.last_ns, *times)


def _save(file: Path, out: Path) -> int:
    """Copy the complete messages of an mcap file; returns how many there are."""
    kinds, channels, count = dict[int, int](), dict[int, int](), 0
    with file.open("rb") as source, out.open("wb") as sink:
        writer = Writer(sink, compression=CompressionType.ZSTD)
        writer.start(profile="ros2", library="kinevla")
        for record in cut_records(source, file.stat().st_size):
            if isinstance(record, Schema):
                kinds[record.id] = writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel) and record.id not in channels:
                kind = kinds.get(record.schema_id, 0)
                channels[record.id] = writer.register_channel(
                    record.topic, record.message_encoding, kind, record.metadata
                )
            elif isinstance(record, Message) and record.channel_id in channels:
                number = channels[record.channel_id]
                writer.add_message(number, record.log_time, record.data, record.publish_time, record.sequence)
                count += 1
        writer.finish()
    return count
