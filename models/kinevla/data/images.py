"""Images of a data set as JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from kinevla.observation.image_bounds import ImageError, check_compressed
from kinevla.observation.images import Image, check_image

JPEG_QUALITY = 95


def encode_jpeg(image: Image) -> bytes:
    """Compress an RGB image as JPEG, quality 95."""
    check_image(image)
    ok, encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise ImageError(f"JPEG encoding of an image of shape {image.shape} failed")
    return bytes(encoded.tobytes())


def decode_jpeg(content: bytes) -> Image:
    """Decompress a JPEG (or PNG) into an RGB array (H, W, 3).

    Raises:
        ImageError: the bytes are no such image, or it has more pixels than `image_bounds` allows.
    """
    check_compressed(content)
    try:
        decoded = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise ImageError(f"{len(content)} bytes are no readable JPEG image")
    return np.ascontiguousarray(decoded[:, :, ::-1])
