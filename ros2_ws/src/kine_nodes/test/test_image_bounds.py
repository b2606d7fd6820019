"""Pictures that would unpack to gigabytes are refused by their first bytes."""

from __future__ import annotations

import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from kine_nodes.image_conversion import ImageError, compressed_to_rgb, image_to_rgb, rgb_to_jpeg
from kinevla.observation.image_bounds import MAX_PIXELS, MAX_SIDE_PX, check_compressed


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header names another size."""
    data = bytearray(rgb_to_jpeg(np.zeros((16, 16, 3), np.uint8), 90))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("size", [(2**19, 2**19), (30_000, 30_000), (MAX_SIDE_PX + 1, 1), (2**31, 2**31)])
def test_a_png_header_of_an_absurd_size_is_refused_at_once(size):
    began_s = time.monotonic()
    with pytest.raises(ImageError, match=f"image has {size[0]} x {size[1]} pixels"):
        compressed_to_rgb(png_header(*size))
    assert time.monotonic() - began_s < 1.0


def test_a_jpeg_header_of_an_absurd_size_is_refused():
    with pytest.raises(ImageError, match=f"at most {MAX_PIXELS} in all"):
        compressed_to_rgb(jpeg_of_size(8000, 8000))
    with pytest.raises(ImageError, match="65535 x 65535"):
        compressed_to_rgb(jpeg_of_size(65_535, 65_535))


def test_a_png_without_pixels_is_an_image_error_too():
    with pytest.raises(ImageError):
        compressed_to_rgb(png_header(640, 480))


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".webp"])
def test_formats_whose_size_is_not_looked_up_are_refused(suffix):
    data = cv2.imencode(suffix, np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match="neither PNG nor JPEG"):
        compressed_to_rgb(data)


def test_every_cut_and_every_wrong_byte_is_one_line_or_a_picture():
    whole = rgb_to_jpeg(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8), 90)
    png = cv2.imencode(".png", np.zeros((24, 32, 3), np.uint8))[1].tobytes()
    for data in [d[:cut] for d in (whole, png) for cut in range(0, len(d), 7)]:
        try:
            assert compressed_to_rgb(data).shape == (24, 32, 3)
        except ImageError as error:
            assert "\n" not in str(error)
    for at in range(0, len(whole), 5):
        wrong = bytearray(whole)
        wrong[at] ^= 0xFF
        try:
            compressed_to_rgb(bytes(wrong))
        except ImageError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("progressive", [0, 1])
def test_pictures_of_cameras_pass(progressive):
    pixels = np.full((1080, 1920, 3), 90, np.uint8)
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    check_compressed(cv2.imencode(".jpg", pixels, flags)[1].tobytes())
    assert compressed_to_rgb(cv2.imencode(".png", pixels)[1].tobytes()).shape == (1080, 1920, 3)


def test_a_raw_image_of_an_absurd_size_is_refused():
    with pytest.raises(ImageError, match=f"a side may have at most {MAX_SIDE_PX}"):
        image_to_rgb(Image(height=1, width=2**31, encoding="rgb8", step=2**31))
    with pytest.raises(ImageError, match=f"at most {MAX_PIXELS} in all"):
        image_to_rgb(Image(height=8000, width=8000, encoding="mono8", step=8000))
    with pytest.raises(ImageError, match="need 4294967295"):
        image_to_rgb(Image(height=1, width=10, encoding="rgb8", step=2**32 - 1))
