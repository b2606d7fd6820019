"""A picture with a hole is left out of an episode and named; whole ones of any camera come in unremarked."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
import PIL.Image
import pytest
from bag_maker import START_NS, write_bag

from kinevla.cli.main import main
from kinevla.data.images import decode_jpeg
from kinevla.data.jpeg_damage import refusing_damage
from kinevla.observation.image_bounds import ImageError

FRONT = "/front/color/image_raw/compressed"
AT_NS = 500_000_000


def scene(height: int = 160, width: int = 200) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 60, (height, width, 3))
    return (noise + np.linspace(0, 190, width)[None, :, None]).astype(np.uint8)


def jpeg(*settings: int) -> bytes:
    return cv2.imencode(".jpg", scene(), list(settings))[1].tobytes()


def with_hole(content: bytes, how: str) -> bytes:
    """Everything between a third and two thirds of the file is zeroed, or gone."""
    start, end = len(content) // 3, 2 * len(content) // 3
    return content[:start] + (bytes(end - start) if how == "zeroed" else b"") + content[end:]


def recording(path, content: bytes, every: bool = False) -> None:
    def change(topic, message):
        stamp = message.header.stamp
        if topic == FRONT and (every or stamp.sec * 10**9 + stamp.nanosec == START_NS + AT_NS):
            message.data = np.frombuffer(content, np.uint8)
        return message

    write_bag(path, compressed=True, change=change)


@pytest.mark.parametrize("how", ["zeroed", "cut out"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_picture_with_a_hole_is_left_out_and_named_with_topic_and_stamp(tmp_path, capfd, how, workers):
    recording(tmp_path / "bags" / "a", with_hole(jpeg(), how))
    write_bag(tmp_path / "bags" / "b", compressed=True)
    line = ["data", "convert", str(tmp_path / "bags"), "--out", str(tmp_path / "set"), "--image-size", "128"]
    assert main([*line, "--no-progress", "--workers", str(workers)]) == 0
    told = capfd.readouterr()
    out = told.out.splitlines()
    assert out[0].startswith("2 recordings converted") and len(out) == 2
    assert f"{FRONT}: 1 messages left out: a JPEG is damaged inside" in out[1]
    assert out[1].endswith(f"(the first at {(START_NS + AT_NS) / 1e9:.3f} s)")
    assert "JPEG" not in told.err


def test_a_recording_of_nothing_but_such_pictures_is_refused(tmp_path, capfd):
    recording(tmp_path / "a", with_hole(jpeg(), "zeroed"), every=True)
    line = ["data", "convert", str(tmp_path / "a"), "--out", str(tmp_path / "set"), "--image-size", "128"]
    assert main([*line, "--no-progress"]) == 1
    assert f"none of the 31 messages on {FRONT} can be used: a JPEG is damaged" in capfd.readouterr().out


def pillow(**settings) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(scene()).save(stream, "JPEG", **settings)
    return stream.getvalue()


WHOLE = {
    "plain": jpeg(),
    "padded behind its end": jpeg() + bytes(1000),
    "a webcam's spare bytes": jpeg()[:-2] + bytes(5) + b"\xff\xd9",
    "restart marks": jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    "progressive": pillow(progressive=True),
    "every pixel's colour": pillow(subsampling=0, quality=100),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_whole_picture_is_taken_and_nothing_is_said(capfd, content):
    with refusing_damage():
        decode_jpeg(content)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["restart marks", "progressive", "plain"])
def test_a_hole_is_found_in_a_picture_of_any_kind(name):
    with pytest.raises(ImageError, match="damaged inside"), refusing_damage():
        decode_jpeg(with_hole(WHOLE[name], "zeroed"))


def test_what_others_say_meanwhile_is_still_said(capfd):
    with refusing_damage():
        os.write(2, b"a driver's warning\n")
    assert capfd.readouterr().err == "a driver's warning\n"
