"""Odd things that recordings hold: each converts to what the camera saw, or one line says what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import lz4.frame
import numpy as np
import pytest
from bag_maker import NAMES, START_NS, TYPES, header, joints, write_bag

from kinevla.cli.main import main
from kinevla.data.episodes import EpisodeReader

NS = 10**9
SECONDS_PER_BAG = 2.0
"""Of computing: a bound for what works in proportion to stamps or declared sizes."""
RED = (200, 40, 30)
FRONT, JOINTS, TARGET = "/front/color/image_raw", "/joint_states", "/kine_teleop/target"


def seen(message, encoding: str, data: np.ndarray, step: int, *, height=160, width=200, big=0):
    return TYPES["sensor_msgs/msg/Image"](
        header=message.header, height=height, width=width, encoding=encoding, is_bigendian=big, step=step,
        data=np.ascontiguousarray(data).reshape(-1).view(np.uint8),
    )  # fmt: skip


def red() -> np.ndarray:
    return np.full((160, 200, 3), RED, np.uint8)


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (160, 200, 3), np.uint8)


def file_of(kind: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(kind, pixels[..., ::-1] if pixels.ndim == 3 else pixels, options)[1].tobytes()


def jpeg(message, data: bytes, form: str = "jpeg"):
    content = np.frombuffer(data, np.uint8)
    return TYPES["sensor_msgs/msg/CompressedImage"](header=message.header, format=form, data=content)


def front(make: Callable[[object], object]):
    """Every image of the front camera is what `make` makes of it."""
    return lambda topic, message: make(message) if topic.startswith(FRONT) else message


def padded(message):
    rows = np.zeros((160, 608), np.uint8)
    rows[:, :600] = red().reshape(160, 600)
    return seen(message, "rgb8", rows, 608)


def upright(data: bytes) -> bytes:
    """The same JPEG with an orientation in its EXIF block, as telephones write it."""
    body = (
        b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x112, 3, 1, 6) + b"\0" * 4
    )
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def stamped(message, stamp: int):
    message.header = header(stamp)
    return message


def time_of(message) -> int:
    return message.header.stamp.sec * NS + message.header.stamp.nanosec


def robot(change: Callable[[object], object], topics=(JOINTS, TARGET)):
    return lambda topic, message: change(message) if topic in topics else message


def renamed(message, names: list[str]):
    return joints(time_of(message), message.position, names)


def valued(message, index: int, value: float):
    positions = message.position.copy()
    positions[index] = value
    return joints(time_of(message), positions)


COMES_IN = ""
CHANGES: dict[str, tuple[Callable, str]] = {
    # pictures
    "rows with padding": (front(padded), COMES_IN),
    "upper case": (front(lambda m: seen(m, "RGB8", red(), 600)), COMES_IN),
    "bgr with a big-endian flag": (front(lambda m: seen(m, "bgr8", red()[..., ::-1], 600, big=1)), COMES_IN),
    "step of half a row": (
        front(lambda m: seen(m, "rgb8", red(), 300)),
        r"front/color.*step is 300 bytes.*needs 600",
    ),
    "no rows": (front(lambda m: seen(m, "rgb8", red(), 600, height=0)), r"front/color.*empty: 200 x 0"),
    "more rows than bytes": (
        front(lambda m: seen(m, "rgb8", red(), 600, height=8000)),
        r"front/color.*96000 bytes, 8000 rows of 600 need 4800000",
    ),
    "odd width in pairs of pixels": (
        front(lambda m: seen(m, "yuyv", red()[:, :199, :2], 398, width=199)),
        r"front/color.*199 yuyv pixels.*even width",
    ),
    "encoding with a control character": (front(lambda m: seen(m, "rgb8\x1b[2J", red(), 600)), r"'rgb8"),
    # values
    "a joint named twice": (
        robot(lambda m: renamed(m, ["joint_1", *NAMES[:1], *NAMES[2:]])),
        r"/joint_states.*joint_2",
    ),
    "not a number": (robot(lambda m: valued(m, 3, np.nan)), r"/joint_states.*nan.*not finite"),
    "an endless gripper": (robot(lambda m: valued(m, 7, np.inf)), r"/joint_states.*inf.*not finite"),
    "degrees in one joint": (
        robot(lambda m: valued(m, 1, 90.0 + m.position[1])),
        r"joint 2 of /joint_states reaches 9\d\.\d, bound 6\.\d+ rad",
    ),
    "more positions than names": (
        robot(lambda m: joints(time_of(m), [*m.position, 3.0], NAMES)),
        COMES_IN,
    ),
    # stamps
    "one stamp for all images": (
        front(lambda m: stamped(m, START_NS + NS)),
        r"share no time|front camera.*gap|front camera.*old",
    ),
    "images in reverse": (
        front(lambda m: stamped(m, 2 * START_NS + 3 * NS // 2 - time_of(m))),
        r"front/color/image_raw run back by 0\.050 s|front",
    ),
    "targets of another day": (
        robot(lambda m: stamped(m, time_of(m) + 86400 * NS), (TARGET,)),
        r"share no time.*targets from 1700086400",
    ),
    "joints that began at the epoch": (
        robot(lambda m: stamped(m, time_of(m) - START_NS + 1), (JOINTS,)),
        r"share no time.*joint_states 0\.000 s",
    ),
}  # fmt: skip
COMPRESSED: dict[str, tuple[Callable, str]] = {
    "png in a message called jpeg": (front(lambda m: jpeg(m, file_of(".png", red()))), COMES_IN),
    "progressive": (
        front(lambda m: jpeg(m, file_of(".jpg", red(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1))),
        COMES_IN,
    ),
    "webp called jpeg": (
        front(lambda m: jpeg(m, file_of(".webp", red()))),
        r"front/color.*neither PNG nor JPEG",
    ),
    "jpeg without its end": (
        front(lambda m: jpeg(m, file_of(".jpg", noise())[:9000])),
        r"front/color.*JPEG of 9000 bytes is cut off",
    ),
    "png without its end": (
        front(lambda m: jpeg(m, file_of(".png", noise())[:9000], "png")),
        r"front/color.*PNG of 9000 bytes is cut off",
    ),
    "jpeg that says how it is held": (front(lambda m: jpeg(m, upright(file_of(".jpg", red())))), COMES_IN),
    "empty file": (front(lambda m: jpeg(m, b"")), r"front/color.*0 bytes"),
}  # fmt: skip


def one_file(bag: Path) -> Path:
    return next(item for item in bag.iterdir() if item.suffix in (".mcap", ".db3"))


def replaced(bag: Path, change: Callable[[bytes], bytes]) -> None:
    file = one_file(bag)
    file.write_bytes(change(file.read_bytes()))


def described(bag: Path, old: str, new: str) -> None:
    text = (bag / "metadata.yaml").read_text()
    assert old in text
    (bag / "metadata.yaml").write_text(text.replace(old, new))


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "gzip around the file": (lambda b: replaced(b, gzip.compress), r"neither an mcap nor a sqlite3 file"),
    "lz4 around the file": (lambda b: replaced(b, lz4.frame.compress), r"neither an mcap nor a sqlite3 file"),
    "nothing in the file": (lambda b: replaced(b, lambda _: b""), r"neither an mcap nor a sqlite3 file"),
    "zeros in the file": (lambda b: replaced(b, lambda d: bytes(len(d))), r"neither an mcap nor a sqlite3"),
    "first half twice": (lambda b: replaced(b, lambda d: d[: len(d) // 2] * 2), r"is damaged"),
    "a folder in place of the file": (
        lambda b: (f := one_file(b), f.unlink(), f.mkdir(), None)[-1],
        r"named in metadata\.yaml is missing",
    ),
    "a link into nothing": (
        lambda b: (f := one_file(b), f.unlink(), f.symlink_to("/nonexistent"), None)[-1],
        r"named in metadata\.yaml is missing",
    ),
    "counts that are texts": (lambda b: described(b, "message_count: 151", "message_count: many"), r"many"),
    "counts that are too high": (
        lambda b: described(b, "message_count: 151", "message_count: 9151"),
        r"holds fewer messages.*(joint_states|target) by 9000",
    ),
    "metadata of nothing": (lambda b: (b / "metadata.yaml").write_text(""), r"metadata\.yaml cannot be read"),
    "metadata in another coding": (
        lambda b: (b / "metadata.yaml").write_bytes(b"\xff\xfe" + "rosbag2".encode("utf-16-le")),
        r"metadata\.yaml cannot be read",
    ),
}  # fmt: skip


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def check(bag: Path, told: str, capsys) -> None:
    before, began = hashes(bag), time.process_time()
    line = ["data", "convert", str(bag), "--out", str(bag.parent / "set"), "--workers", "1", "--no-progress"]
    status = main([*line, "--image-size", "128"])
    assert time.process_time() - began < SECONDS_PER_BAG
    assert hashes(bag) == before
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err and "\x1b" not in said.out
    refused = [row for row in said.out.splitlines() if row.startswith("refused: ")]
    if told == COMES_IN:
        assert status == 0, said.out
        pixels = EpisodeReader(bag.parent / "set").read(0).images("front").reshape(-1, 3)
        assert abs(pixels.mean(0) - RED).max() < 6 or "front" not in said.out
        return
    assert status == 1 and len(refused) == 1 and re.search(told, refused[0]), said.out
    assert len(refused[0]) < 900


@pytest.mark.parametrize("name", CHANGES)
def test_odd_messages_convert_or_give_one_line(tmp_path, capsys, name):
    change, told = CHANGES[name]
    write_bag(tmp_path / "bag", change=change)
    check(tmp_path / "bag", told, capsys)


@pytest.mark.parametrize("name", COMPRESSED)
def test_odd_picture_files_convert_or_give_one_line(tmp_path, capsys, name):
    change, told = COMPRESSED[name]
    write_bag(tmp_path / "bag", change=change, compressed=True)
    check(tmp_path / "bag", told, capsys)


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
@pytest.mark.parametrize("name", FILES)
def test_odd_files_give_one_line(tmp_path, capsys, name, plugin):
    change, told = FILES[name]
    write_bag(tmp_path / "bag", plugin=plugin)
    change(tmp_path / "bag")
    check(tmp_path / "bag", told, capsys)
