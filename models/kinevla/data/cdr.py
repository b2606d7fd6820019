"""Joint states, chunks, images and plans out of CDR bytes that may be longer than the message.

What `serialize_message` of newer Fast DDS returns, and so what scripts write into bags, can have unused bytes
behind the message: many where sequences are empty, as in joint states without velocities. `rosbags` takes
such a message for damaged. Source: the CDR encoding of OMG DDSI-RTPS, and messages as they came.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.data.packing import DataError

NS_PER_S = 1_000_000_000
_ENCAPSULATION_BYTES = 4


@dataclass(frozen=True)
class JointPositions:
    """Names and positions of a `sensor_msgs/JointState`."""

    name: tuple[str, ...]
    position: NDArray[np.float64]


@dataclass(frozen=True)
class Chunk:
    """A `trajectory_msgs/JointTrajectory`: names, and per point `time_from_start` in ns and positions."""

    name: tuple[str, ...]
    points: tuple[tuple[int, NDArray[np.float64]], ...]


@dataclass(frozen=True)
class RawImage:
    """A `sensor_msgs/Image` without its header; `data` may be longer than `height * step`."""

    height: int
    width: int
    encoding: str
    step: int
    data: bytes


@dataclass(frozen=True)
class CompressedImage:
    """A `sensor_msgs/CompressedImage` without its header."""

    format: str
    data: bytes


@dataclass(frozen=True)
class PlanTexts:
    """The texts of a `kine_msgs/BiLevelPlan`."""

    instruction: str
    goal_reasoning: str
    kinematics_reasoning: str


def joint_positions(data: bytes) -> JointPositions:
    """Read a joint state; what comes after the positions is not looked at.

    Raises:
        DataError: no such message.
    """
    with _reading(data, "JointState") as reader:
        return JointPositions(reader.strings(), reader.doubles())


def chunk(data: bytes) -> Chunk:
    """Read a trajectory.

    Raises:
        DataError: no such message.
    """
    with _reading(data, "JointTrajectory") as reader:
        names, points = reader.strings(), []
        for _ in range(reader.count(at_least=16)):
            positions = reader.doubles()
            for _ in ("velocities", "accelerations", "effort"):
                reader.doubles()
            points.append((reader.time_ns(), positions))
    return Chunk(names, tuple(points))


def raw_image(data: bytes) -> RawImage:
    """Read an image; its pixels are not copied twice.

    Raises:
        DataError: no such message.
    """
    with _reading(data, "Image") as reader:
        height, width, encoding = reader.number(), reader.number(), reader.string()
        reader.byte()  # is_bigendian: no supported encoding has more than 8 bits
        return RawImage(height, width, encoding, reader.number(), reader.octets())


def compressed_image(data: bytes) -> CompressedImage:
    """Read a compressed image.

    Raises:
        DataError: no such message.
    """
    with _reading(data, "CompressedImage") as reader:
        return CompressedImage(reader.string(), reader.octets())


def plan_texts(data: bytes) -> PlanTexts:
    """Read the texts of a plan as this project defines it; what comes behind them is not looked at.

    Raises:
        DataError: no such message.
    """
    with _reading(data, "BiLevelPlan") as reader:
        instruction = reader.string()
        reader.skip(8, 8)  # instruction_id
        reader.skip(4, 4)  # chunk_id
        reader.skip(1, 1)  # awaiting_approval
        return PlanTexts(instruction, reader.string(), reader.string())


@contextmanager
def _reading(data: bytes, kind: str) -> Iterator[_Reader]:
    """Give a reader behind the header of a message; what cannot be read in it is a DataError."""
    try:
        reader = _Reader(data)
        reader.header()
        yield reader
    except (struct.error, ValueError) as error:
        raise DataError(f"a message of {len(data)} bytes is no {kind}: {error}") from error


class _Reader:
    """Reads value after value; positions count from behind the encapsulation header."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _ENCAPSULATION_BYTES or data[0] or data[1] > 1:
            raise ValueError("it does not begin with a CDR header")
        self._data, self._order = data[_ENCAPSULATION_BYTES:], "<" if data[1] else ">"
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._data) - self._at

    def _align(self, size: int) -> None:
        self._at += -self._at % size

    def _take(self, code: str, size: int) -> int:
        self._align(size)
        value = struct.unpack_from(self._order + code, self._data, self._at)[0]
        self._at += size
        return int(value)

    def count(self, at_least: int = 1) -> int:
        """Read the length of a sequence whose elements have `at_least` so many bytes."""
        value = self._take("I", 4)
        if value * at_least > self.left:
            raise ValueError(f"a sequence of {value} elements does not fit into {self.left} bytes")
        return value

    def number(self) -> int:
        """Read a uint32."""
        return self._take("I", 4)

    def byte(self) -> int:
        """Read a uint8."""
        return self._take("B", 1)

    def skip(self, size: int, alignment: int) -> None:
        """Pass over a value."""
        self._align(alignment)
        if size > self.left:
            raise ValueError(f"{size} bytes do not fit into {self.left}")
        self._at += size

    def octets(self) -> bytes:
        """Read a sequence of uint8."""
        size = self.count()
        self._at += size
        return bytes(self._data[self._at - size : self._at])

    def time_ns(self) -> int:
        """Read seconds and nanoseconds."""
        return self._take("i", 4) * NS_PER_S + self._take("I", 4)

    def string(self) -> str:
        """Read a string; its last byte is zero."""
        size = self.count()
        text = bytes(self._data[self._at : self._at + size])
        self._at += size
        return text.rstrip(b"\0").decode()

    def strings(self) -> tuple[str, ...]:
        """Read a sequence of strings."""
        return tuple(self.string() for _ in range(self.count(at_least=4)))

    def doubles(self) -> NDArray[np.float64]:
        """Read a sequence of doubles."""
        size = self.count(at_least=8)
        if size:
            self._align(8)
        if 8 * size > self.left:
            raise ValueError(f"{size} doubles do not fit into {self.left} bytes")
        values = (
            np.frombuffer(self._data, np.dtype(f"{self._order}f8"), size, self._at) if size else np.zeros(0)
        )
        self._at += 8 * size
        return np.asarray(values, dtype=np.float64)

    def header(self) -> None:
        """Skip a `std_msgs/Header`."""
        self.time_ns()
        self.string()
