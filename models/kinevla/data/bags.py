"""Reading rosbag2 recordings without ROS: files in order, capture stamps, joints, images, plans.

Everything that can be wrong with a bag ends in one `DataError` that names the bag. One bad message costs that
message: it is left out, and `Bag.left_out` counts it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from kinevla.bounded import MIB, TooLargeError, printable, read_bounded, read_json
from kinevla.data.bag_files import kind_of, open_file, unpacked
from kinevla.data.bag_metadata import METADATA
from kinevla.data.cdr import NS_PER_S
from kinevla.data.packing import DataError
from kinevla.data.stored import MessageFile, Topic
from kinevla.observation.image_bounds import ImageError

JOINT_NAMES = (*(f"joint_{number}" for number in range(1, 8)), "gripper")
SIDECAR = "episode.json"
REPAIRED = "_repaired"
"""Ends the name of a file that was rescued out of one that another recorder left unfinished."""
MAX_INFO_BYTES = 4 * MIB
MAX_LISTED = 12


@dataclass(frozen=True)
class BagInfo:
    """What `episode.json` beside a recording says; empty where there is none."""

    instruction: str = ""
    goal_reasoning: str = ""
    kinematics_reasoning: str = ""
    verdict: str = "unknown"
    note: str = ""
    complete: bool = True
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> bool | None:
        """The operator's verdict; None where nobody judged."""
        return {"success": True, "failure": False}.get(self.verdict)


@dataclass(frozen=True)
class RawMessage:
    """One message as stored."""

    topic: str
    type: str  # message type, such as sensor_msgs/msg/Image
    received_ns: int  # time of recording, ns
    stamp_ns: int  # `header.stamp`, ns
    data: bytes  # CDR bytes


class Bag:
    """An open recording; use `open_bag`.

    Attributes:
        topics: what its files hold, by name.
        left_out: per topic, how many messages were left out, by the reason.
        remarks: what else is to be said of what was read.
        unnamed: files of a recording in the folder that its metadata does not name, and that are not read.
    """

    unnamed: tuple[Path, ...] = ()

    def __init__(self, path: Path, files: list[MessageFile], promised: dict[str, int]) -> None:
        self.path, self._files, self._promised = path, files, promised
        self.topics: dict[str, Topic] = {}
        self.left_out: dict[str, Counter[str]] = {}
        self.remarks: list[str] = []
        self._first: dict[tuple[str, str], int] = {}
        for file in files:
            for name, item in file.topics.items():
                known = self.topics.setdefault(name, Topic(item.type, item.serialization, item.definition))
                if not known.messages:
                    known.type, known.serialization = item.type, item.serialization
                known.messages += item.messages

    def messages(self, topics: tuple[str, ...]) -> Iterator[RawMessage]:
        """Yield the messages of some topics in the order of recording."""
        chosen = frozenset(topics)
        missing = {name: count for name, count in self._promised.items() if name in chosen}
        for file in self._files:
            for item in file.messages(chosen):
                missing[item.topic] = missing.get(item.topic, 0) - 1
                try:
                    data = unpacked(item.data)
                    stamp_ns = header_stamp(data)
                except (DataError, TooLargeError) as error:
                    self.leave_out(item.topic, str(error))
                    continue
                yield RawMessage(item.topic, item.type, item.received_ns, stamp_ns, data)
        cut = self.cut_off
        # Damage in the middle of a file may hide messages without any other sign.
        if wrong := [f"{topic} by {count}" for topic, count in missing.items() if count > 0]:
            less = f"{self.path} holds fewer messages than its summary says: {', '.join(wrong)}"
            raise DataError("; ".join((less, *cut)))
        self.remarks += [f"{text}: what is whole before that was read" for text in cut]

    @property
    def cut_off(self) -> tuple[str, ...]:
        """What was found so far of files that end too early."""
        return tuple(file.cut_off for file in self._files if file.cut_off)

    def leave_out(self, topic: str, reason: str, count: int = 1, stamp_ns: int | None = None) -> None:
        """Count messages that are not used; `stamp_ns` is that of the first of them."""
        reasons = self.left_out.setdefault(topic, Counter())
        # Reasons hold figures of the message: what was said of another one stands for what is too many.
        reason = reason if len(reasons) < MAX_LISTED else min(reasons)
        reasons[reason] += count
        if stamp_ns is not None:
            self._first.setdefault((topic, reason), stamp_ns)

    def notes(self) -> tuple[str, ...]:
        """Say what was left out, one text per topic, and the remarks."""
        gone = []
        for topic, reasons in self.left_out.items():
            reason = reasons.most_common(1)[0][0]
            first = self._first.get((topic, reason))
            at = "" if first is None else f" (the first at {first / NS_PER_S:.3f} s)"
            gone.append(f"{topic}: {reasons.total()} messages left out: {printable(reason)}{at}")
        return (*gone, *self.remarks)


def header_stamp(data: bytes) -> int:
    """Return `header.stamp` in ns of a CDR message that begins with a header, without decoding the rest.

    Raises:
        DataError: fewer than twelve bytes, or no time.
    """
    if len(data) < 12:
        raise DataError(f"a message of {len(data)} bytes holds no header")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    if nanoseconds >= 1_000_000_000:
        raise DataError(f"a stamp has {nanoseconds} ns, the bound is 999999999")
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _why_no_bag(path: Path) -> str:
    """Say of a path that is no recording what it is instead."""
    if not path.exists():
        return f"{path} does not exist"
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    kinds = {kind_of(file): file for file in files if file.is_file()}
    if "ros1" in kinds:
        return f"{kinds['ros1']} is a bag of ROS 1: convert it with rosbags-convert first"
    if not path.is_dir():
        if set(kinds) <= {None}:
            return f"{path} is a file, and none of a recording"
        return f"{path} is a file of a recording: name the folder it lies in, {path.resolve().parent}"
    if not files:
        return f"{path} is an empty folder"
    if set(kinds) <= {None}:
        return f"{path} holds no recording: neither {METADATA} nor a file that begins as one"
    return (
        f"{path} is no rosbag2 folder: it has no {METADATA} (where a recorder was killed, "
        "repair_bag FOLDER of the package kine_teleop writes it)"
    )


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a rosbag2 folder.

    Raises:
        DataError: missing, empty, truncated, damaged or no rosbag2; also for damage found while reading.
    """
    path = Path(path)
    if not (path / METADATA).is_file():
        raise DataError(_why_no_bag(path))
    try:
        names, promised = read_metadata(path)
        with ExitStack() as stack:
            named = named_files(path, names)
            bag = Bag(path, [stack.enter_context(open_file(file)) for file in named], promised)
            bag.unnamed = _unnamed(path, named)
            yield bag
    except (DataError, ImageError, TooLargeError) as error:
        raise DataError(error if str(path) in str(error) else f"{path}: {error}") from error


def read_metadata(path: Path) -> tuple[list[str], dict[str, int]]:
    """Return the names of a bag's files and how many messages each topic is said to have.

    Raises:
        DataError: `metadata.yaml` is missing, or not one of rosbag2.
        TooLargeError: it is larger than any of rosbag2.
    """
    file = path / METADATA
    try:
        content: Any = yaml.load(read_bounded(file, MAX_INFO_BYTES), Loader=_Loader)
        found = content["rosbag2_bagfile_information"]
        names = [PurePath(_text(name)).name for name in found["relative_file_paths"]]
        promised: dict[str, int] = {}
        for item in found["topics_with_message_count"]:
            name = _text(item["topic_metadata"]["name"])
            promised[name] = promised.get(name, 0) + int(item["message_count"])
    except TooLargeError:
        raise
    except (
        OSError,
        yaml.YAMLError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = printable(" ".join(str(error).split()))
        raise DataError(f"{path} is damaged or no rosbag2: {METADATA} cannot be read: {reason}") from error
    if not names:
        raise DataError(f"{path} is damaged or no rosbag2: {METADATA} names no files")
    return names, promised


def _text(value: object) -> str:
    """Return a text; of anything else not even its looks: references can make it endless."""
    if not isinstance(value, str):
        raise TypeError(f"a name is a {type(value).__name__}, must be a text")
    return value


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def named_files(path: Path, names: list[str]) -> list[Path]:
    """Return a bag's files; some recorders name them without the ending that compression added."""
    found, missing = [], []
    for name in names:
        spelt = (name, f"{name}.zstd", name.removesuffix(".zstd"))
        file = next((path / n for n in spelt if n and (path / n).is_file()), None)
        if file is None:
            missing.append(name)
        else:
            found.append(file)
    if missing:
        shown = ", ".join(printable(name) for name in missing[:MAX_LISTED])
        raise DataError(f"{path} is damaged or no rosbag2: {shown} named in {METADATA} is missing")
    return found


def _unnamed(path: Path, named: list[Path]) -> tuple[Path, ...]:
    """Return the files beside the named ones that hold messages, but for the remains of a repaired one."""
    repaired = {file.stem.removesuffix(REPAIRED) for file in named if file.stem.endswith(REPAIRED)}
    others = [f for f in sorted(path.iterdir()) if f not in named and f.suffix in (".mcap", ".db3", ".zstd")]
    return tuple(f for f in others if f.is_file() and f.stem not in repaired)


def read_info(path: Path) -> BagInfo:
    """Read `episode.json` of a recording; only its instruction and what shall be said must be in it.

    Raises:
        DataError: unreadable file, unknown format number, or a value of another type.
    """
    file = Path(path) / SIDECAR
    if not file.is_file():
        return BagInfo()
    try:
        content = read_json(file, MAX_INFO_BYTES)
        if content.get("format", 1) != 1:
            raise DataError(f"{file} has format {printable(content['format'])}, this code reads 1")
        given = {name: content[name] for name in BagInfo.__dataclass_fields__ if name in content}
        for name, value in given.items():
            kind = type(getattr(BagInfo(), name))
            if not isinstance(value, kind):
                raise TypeError(f"{name} is {printable(repr(value), 60)}, must be {kind.__name__}")
        return BagInfo(**given)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is damaged: {printable(error)}") from error


def ordered_joints(message: Any, what: str) -> NDArray[np.float64]:
    """Return the eight positions of a joint state in the order of `JOINT_NAMES`.

    Raises:
        DataError: a joint is missing or its position is not finite.
    """
    at = {name: index for index, name in enumerate(message.name)}
    if missing := [name for name in JOINT_NAMES if name not in at or at[name] >= len(message.position)]:
        raise DataError(f"a message on {what} lacks {', '.join(missing)}")
    values = np.array([message.position[at[name]] for name in JOINT_NAMES], dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"a message on {what} has {values.tolist()}: not finite")
    return values
