"""Images of a data set as JPEG."""

from __future__ import annotations

import cv2

from kinevla.observation.encodings import compressed_to_rgb
from kinevla.observation.image_bounds import ImageError, TooSmallError
from kinevla.observation.images import Image, ImagePipeline, check_image, network_image

JPEG_QUALITY = 95


def stored_image(image: Image, pipeline: ImagePipeline, camera: str | None = None) -> Image:
    """Bring a camera's image to what a data set holds (see `network_image`).

    Raises:
        ImageError: not an RGB uint8 image, or too small; then the option that helps is named.
    """
    try:
        return network_image(image, pipeline, camera)
    except TooSmallError as error:
        side = min(image.shape[:2])
        raise ImageError(f"{error}, or --image-size may be {side} at most") from error


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
    return compressed_to_rgb(content)
