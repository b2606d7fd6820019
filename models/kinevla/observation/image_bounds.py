"""How large a picture may be, found in its first bytes and before any of it is decoded.

A PNG of some kilobytes can unpack to gigabytes, and a header alone can name more pixels than a decoder's
integers hold.
"""

from __future__ import annotations

import struct

MAX_SIDE_PX = 8192
MAX_PIXELS = 8_847_360  # 4096 x 2160
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Start-of-frame markers of a JPEG; the others in that range are tables.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


class ImageError(ValueError):
    """No camera image of the expected kind; the text names the field and the bound."""


class TooSmallError(ImageError):
    """An image with fewer pixels than are asked for."""


def check_size(width: int, height: int) -> None:
    """Refuse a size in pixels that no camera of this stack has.

    Raises:
        ImageError: empty, or larger than the bounds.
    """
    if width < 1 or height < 1:
        raise ImageError(f"image is empty: {width} x {height} pixels")
    if max(width, height) > MAX_SIDE_PX:
        raise ImageError(f"image has {width} x {height} pixels, a side may have at most {MAX_SIDE_PX}")
    if width * height > MAX_PIXELS:
        raise ImageError(f"image has {width} x {height} pixels, at most {MAX_PIXELS} in all are allowed")


def check_compressed(data: bytes) -> None:
    """Refuse what is no PNG or JPEG, and one whose header names too large a picture.

    Raises:
        ImageError: unknown format, a header that ends too early, or a size out of bounds.
    """
    check_size(*image_size(data))


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a PNG or JPEG, from its header.

    Raises:
        ImageError: unknown format, or a header that ends too early.
    """
    if data.startswith(_PNG):
        if len(data) < 24 or data[12:16] != b"IHDR":
            raise ImageError(f"{len(data)} bytes of PNG do not begin with a header")
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data.startswith(_JPEG):
        return _jpeg_size_px(data)
    raise ImageError(f"{len(data)} bytes of compressed image cannot be decoded: neither PNG nor JPEG")


def _jpeg_size_px(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _FRAMES and at + 9 <= len(data):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ImageError(f"{len(data)} bytes of JPEG have no header with a size")
