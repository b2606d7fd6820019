"""The one image preprocessing of data sets, training and runtime.

Whatever shrinks a camera image for the model goes through `to_model_size`; a second implementation
would shift pixels between training and the robot without any error being raised.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kinevla.data.image_bounds import ImageError, check_compressed

MODEL_IMAGE_SIZE = 128
JPEG_QUALITY = 95

Image = NDArray[np.uint8]


def check_image(image: Image) -> None:
    """Refuse anything but a non-empty RGB uint8 array (H, W, 3).

    Raises:
        ImageError: naming the shape or type found.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = getattr(image, "dtype", type(image).__name__)
        raise ImageError(f"an image must be uint8 RGB, got {found}")
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[0] == 0 or image.shape[1] == 0:
        raise ImageError(f"an image must have shape (H, W, 3), got {image.shape}")


def centre_square(image: Image) -> Image:
    """Return the largest square in the middle of an (H, W, 3) image, as a view."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def camera_view(image: Image, size: int = MODEL_IMAGE_SIZE, *, rotate: bool = False) -> Image:
    """Turn a camera image of any shape into what the model sees: centre square, `to_model_size`.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: side of the result, pixels.
        rotate: turn by 180 degrees, for cameras mounted upside down.

    Raises:
        ImageError: not an RGB uint8 image, or smaller than `size`.
    """
    check_image(image)
    square = centre_square(image)
    return to_model_size(np.ascontiguousarray(square[::-1, ::-1]) if rotate else square, size)


def to_model_size(image: Image, size: int = MODEL_IMAGE_SIZE) -> Image:
    """Shrink a square camera image to the model's side length by area averaging.

    Args:
        image: (H, W, 3) uint8 RGB with H == W.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) uint8 RGB; an image that has the size already comes back unchanged.

    Raises:
        ImageError: not an RGB uint8 image, not square, or smaller than `size`.
    """
    check_image(image)
    height, width = image.shape[:2]
    if height != width:
        raise ImageError(f"an image must be square, got {width} x {height}: crop it to the square first")
    if height < size:
        raise ImageError(f"an image of {width} x {height} is smaller than the model's {size} x {size}")
    if height == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def scale_keypoints(points_px: NDArray[np.floating], source_size: int, size: int) -> NDArray[np.float32]:
    """Carry pixel coordinates from a `source_size` image to its `to_model_size` version.

    (0, 0) is the outer corner of the top left pixel, so that pixel's centre lies at (0.5, 0.5) in either
    image. NaN (a point the camera does not see) stays NaN.
    """
    return (np.asarray(points_px, dtype=np.float64) * (size / source_size)).astype(np.float32)


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
