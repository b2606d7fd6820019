"""Joint states and chunks are read whatever lies behind them, and refused where they are cut off."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from bag_maker import NAMES, STORE, chunk, joints

from kinevla.data.cdr import read_message
from kinevla.data.packing import DataError

STAMP_NS = 1_700_000_000_123_456_789


class Writer:
    """Writes CDR by hand, with unused bytes behind the message."""

    def __init__(self, order: str, unused: int) -> None:
        self.order, self.unused, self.body = order, unused, b""

    def align(self, size: int) -> None:
        # Not zeros: what was in the writer's memory before.
        self.body += b"\xab" * (-len(self.body) % size)

    def u32(self, value: int) -> None:
        self.align(4)
        self.body += struct.pack(self.order + "I", value)

    def string(self, text: str) -> None:
        self.u32(len(text) + 1)
        self.body += text.encode() + b"\0"

    def strings(self, texts) -> None:
        self.u32(len(texts))
        for text in texts:
            self.string(text)

    def doubles(self, values) -> None:
        self.u32(len(values))
        if len(values):
            self.align(8)
        self.body += struct.pack(f"{self.order}{len(values)}d", *values)

    def header(self) -> None:
        self.u32(STAMP_NS // 10**9)
        self.u32(STAMP_NS % 10**9)
        self.string("")

    def message(self) -> bytes:
        self.align(4)
        return bytes([0, int(self.order == "<"), 0, 0]) + self.body + b"\xab" * self.unused


VALUES = np.arange(8) * 0.5


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unused", [0, 3, 8, 28])
def test_a_joint_state_without_velocities_is_read(order: str, unused: int):
    writer = Writer(order, unused)
    writer.header()
    writer.strings(NAMES)
    for values in (VALUES, (), ()):
        writer.doubles(values)
    found = read_message(writer.message(), "JointState")
    assert list(found.name) == NAMES
    np.testing.assert_array_equal(found.position, VALUES)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unused", [0, 3, 8, 28])
@pytest.mark.parametrize("points", [0, 1, 5])
def test_a_chunk_of_positions_only_is_read(order: str, unused: int, points: int):
    writer = Writer(order, unused)
    writer.header()
    writer.strings(NAMES)
    writer.u32(points)
    for k in range(points):
        for values in (VALUES + k, (), (), ()):
            writer.doubles(values)
        writer.u32(k)
        writer.u32(500)
    found = read_message(writer.message(), "JointTrajectory")
    assert list(found.joint_names) == NAMES and len(found.points) == points
    for k, point in enumerate(found.points):
        assert (point.time_from_start.sec, point.time_from_start.nanosec) == (k, 500)
        np.testing.assert_array_equal(point.positions, VALUES + k)


def test_it_reads_what_rosbags_writes():
    message = joints(STAMP_NS, VALUES)
    found = read_message(bytes(STORE.serialize_cdr(message, message.__msgtype__)), "JointState")
    assert list(found.name) == NAMES and (found.position == VALUES).all()
    trajectory = chunk(STAMP_NS, np.stack([VALUES, VALUES + 1]), 10**8)
    data = bytes(STORE.serialize_cdr(trajectory, trajectory.__msgtype__))
    points = read_message(data, "JointTrajectory").points
    assert [point.time_from_start.nanosec for point in points] == [10**8, 2 * 10**8]


@pytest.mark.parametrize("kind", ["JointState", "JointTrajectory"])
@pytest.mark.parametrize("end", [0, 3, 10, 40, 90, 150])
def test_a_message_that_is_cut_off_is_refused(kind, end: int):
    writer = Writer("<", 0)
    writer.header()
    writer.strings(NAMES)
    writer.u32(1) if kind == "JointTrajectory" else None
    writer.doubles(VALUES)
    with pytest.raises(DataError, match=f"a message of {end} bytes is no {kind}"):
        read_message(writer.message()[:end], kind)


def test_a_length_beyond_the_message_is_refused():
    # Stamp, an empty frame name, and a list of names that would be longer than the message.
    message = b"\x00\x01\x00\x00" + struct.pack("<IIIBxxxI", 1, 2, 1, 0, 2**31) + bytes(20)
    with pytest.raises(DataError, match=f"a message of {len(message)} bytes is no JointState"):
        read_message(message, "JointState")
