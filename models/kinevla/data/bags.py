"""Reading rosbag2 recordings (sqlite3 or mcap) without ROS: capture stamps, joints, images, plans.

Everything that can be wrong with a bag ends in one `DataError` that names the bag.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from kinevla.bounded import MIB, TooLargeError, read_json, require_size
from kinevla.data.cdr import JointPositions
from kinevla.data.images import decode_jpeg
from kinevla.data.packing import DataError
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import Image

JOINT_NAMES = (*(f"joint_{number}" for number in range(1, 8)), "gripper")
MAX_INFO_BYTES = 4 * MIB
MAX_CHUNK_BYTES = 1024 * MIB
_MCAP_MAGIC_BYTES, _CHUNK_OPCODE = 8, 6
_RECORD, _U64 = struct.Struct("<BQ"), struct.Struct("<Q")
_SET_ASIDE = ("quarantine", "discarded")
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}


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
    """One message as stored.

    Attributes:
        topic: its topic.
        type: message type, such as sensor_msgs/msg/Image.
        received_ns: time of recording, ns.
        stamp_ns: `header.stamp`, ns.
        data: CDR bytes.
    """

    topic: str
    type: str
    received_ns: int
    stamp_ns: int
    data: bytes


class Bag:
    """An open recording; use `open_bag`."""

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader = reader
        self.topics: dict[str, str] = {item.topic: item.msgtype for item in reader.connections}

    def messages(self, topics: tuple[str, ...]) -> Iterator[RawMessage]:
        """Yield the messages of some topics in the order of recording."""
        chosen = [item for item in self._reader.connections if item.topic in topics]
        if not chosen:
            return
        missing = {item.topic: 0 for item in chosen}
        for item in chosen:
            missing[item.topic] += item.msgcount
        for connection, received_ns, data in self._reader.messages(chosen):
            missing[connection.topic] -= 1
            raw = bytes(data) if not isinstance(data, bytes) else data
            yield RawMessage(connection.topic, connection.msgtype, received_ns, header_stamp(raw), raw)
        # Damage in the middle of a file may hide messages without any other sign.
        if wrong := [f"{topic} by {count}" for topic, count in missing.items() if count]:
            raise DataError(f"{self.path} holds fewer messages than its summary says: {', '.join(wrong)}")

    def decode(self, message: RawMessage) -> Any:
        """Decode a message."""
        return self._reader.deserialize(message.data, message.type)


def header_stamp(data: bytes) -> int:
    """Return `header.stamp` in ns of a CDR message that begins with a header, without decoding the rest.

    Raises:
        DataError: fewer than twelve bytes.
    """
    if len(data) < 12:
        raise DataError(f"a message of {len(data)} bytes holds no header")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a rosbag2 folder.

    Raises:
        DataError: missing, empty, truncated, damaged or no rosbag2; also for damage found while reading.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path} {'is a file, not a rosbag2 folder' if path.exists() else 'does not exist'}")
    if not (path / "metadata.yaml").is_file():
        raise DataError(f"{path} is no rosbag2 folder: it has no metadata.yaml")
    try:
        require_size(f"{path}/metadata.yaml", (path / "metadata.yaml").stat().st_size, MAX_INFO_BYTES)
        for file in path.glob("*.mcap"):
            _check_chunks(file)
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
            yield Bag(path, reader)
    except (DataError, ImageError, TooLargeError) as error:
        raise DataError(error if str(path) in str(error) else f"{path}: {error}") from error
    except (OSError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # the parsers of three formats raise what they like on damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is damaged or no rosbag2: {reason}") from error


def _check_chunks(file: Path) -> None:
    """Look through the heads of an mcap file's records: no chunk may unpack to more than its bound."""
    with file.open("rb") as stream:
        stream.seek(_MCAP_MAGIC_BYTES)
        while len(head := stream.read(_RECORD.size)) == _RECORD.size:
            opcode, length = _RECORD.unpack(head)
            if opcode == _CHUNK_OPCODE and len(times := stream.read(24)) == 24:
                require_size(f"{file}: a chunk unpacked", _U64.unpack_from(times, 16)[0], MAX_CHUNK_BYTES)
                length -= 24
            if length < 0 or length > 1 << 62:
                return  # damaged: the reader says so
            stream.seek(length, 1)


def find_bags(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the recordings named by `paths`: bags themselves, or folders with bags below them.

    Recordings that were put into quarantine or discarded count only when they are named themselves. A path
    without any recording is returned as it is, so that opening it tells what is wrong.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if (path / "metadata.yaml").is_file() or not path.is_dir():
            found[path] = None
            continue
        # A recording that was cut off may lack its metadata: it must be reported, not overlooked.
        files = [*path.rglob("metadata.yaml"), *path.rglob("*.mcap"), *path.rglob("*.db3")]
        folders = sorted({item.parent for item in files})
        below = [f for f in folders if not set(_SET_ASIDE) & set(f.relative_to(path).parts)]
        found |= dict.fromkeys(below or [path])
    return tuple(found)


def read_info(path: Path) -> BagInfo:
    """Read `episode.json` of a recording.

    Raises:
        DataError: unreadable file or unknown format number.
    """
    file = Path(path) / "episode.json"
    if not file.is_file():
        return BagInfo()
    try:
        content = read_json(file, MAX_INFO_BYTES)
        if content["format"] != 1:
            raise DataError(f"{file} has format {content['format']}, this code reads 1")
        return BagInfo(**{name: content[name] for name in BagInfo.__dataclass_fields__ if name in content})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged: {error!r}") from error


def message_image(message: Any) -> Image:
    """Return the pixels of a `sensor_msgs/Image` or `CompressedImage` as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: unknown encoding, empty image or a buffer that is too short.
    """
    if not hasattr(message, "encoding"):
        return decode_jpeg(bytes(message.data))
    encoding, height, width, step = message.encoding, message.height, message.width, message.step
    channels = _CHANNELS.get(encoding)
    if channels is None:
        raise ImageError(f"image encoding {encoding!r} is not one of {', '.join(_CHANNELS)}")
    if height == 0 or width == 0 or step < width * channels or len(message.data) < height * step:
        raise ImageError(
            f"an image of {width} x {height} {encoding} with step {step} cannot have "
            f"{len(message.data)} bytes"
        )
    rows = np.frombuffer(message.data, np.uint8, count=height * step).reshape(height, step)
    pixels = rows[:, : width * channels].reshape(height, width, channels)
    return pixels if encoding == "rgb8" else np.asarray(cv2.cvtColor(pixels, _TO_RGB[encoding]), np.uint8)


def ordered_joints(message: JointPositions, what: str) -> NDArray[np.float64]:
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
