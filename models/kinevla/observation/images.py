"""From a camera image of any size to the network's: what is cut, how it is resized, said once and stored.

A checkpoint keeps the `ImagePipeline` it was trained with and every runtime reads it from there; a data set
keeps the one its images went through. Whatever turns camera images into network images calls `network_image`:
a second implementation would shift pixels between training and the robot without any error being raised.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from kinevla.observation.image_bounds import ImageError, TooSmallError

MODEL_IMAGE_SIZE = 128
Square = Literal["centre", "stretch"]
Interpolation = Literal["area", "bicubic"]
_CHOICES = {"square": ("centre", "stretch"), "interpolation": ("area", "bicubic")}

Image = NDArray[np.uint8]


class PipelineError(ValueError):
    """An image pipeline that makes no sense, or does not fit the images it shall go on from."""


@dataclass(frozen=True)
class ImagePipeline:
    """What happens to a camera image, in the order of the attributes.

    Raises:
        PipelineError: a value out of bounds.
    """

    size_px: int = MODEL_IMAGE_SIZE  # side of the resulting square, pixels
    # 'centre' cuts out the largest square in the middle, 'stretch' squeezes the whole image
    square: Square = "centre"
    # cameras that are mounted upside down, whose images are turned by 180 degrees
    rotate: tuple[str, ...] = ()
    # side to which area averaging brings the image first, as the data set did that the network learned from;
    # None goes to `size_px` at once
    stored_px: int | None = None
    # how the image is brought to `size_px`: 'area' averages, 'bicubic' is Pillow's
    interpolation: Interpolation = "area"
    # share of the area that the network sees, blown up again to `size_px`. In training with augmentation it
    # lies anywhere, otherwise in the middle
    crop_area: float = 1.0

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise PipelineError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")
        if self.size_px < 1 or (self.stored_px is not None and self.stored_px < self.size_px):
            raise PipelineError(f"need 1 <= size_px <= stored_px, got {self.size_px} and {self.stored_px}")
        if not 0.0 < self.crop_area <= 1.0:
            raise PipelineError(f"crop_area must lie in 0 < a <= 1, got {self.crop_area}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImagePipeline:
        """Rebuild a pipeline from its fields as read from JSON.

        Raises:
            PipelineError: an unknown entry, or a value out of bounds.
        """
        if unknown := sorted(set(values) - {item.name for item in dataclasses.fields(cls)}):
            raise PipelineError(f"an image pipeline has no setting {', '.join(unknown)}")
        return cls(**{**values, "rotate": tuple(values.get("rotate", ()))})

    def on(self, stored: ImagePipeline) -> ImagePipeline:
        """Return this pipeline for a network that learns from images that went through another one.

        Raises:
            PipelineError: those are smaller than this network's, or show another part of the camera's image.
        """
        if stored.size_px < self.size_px:
            raise PipelineError(
                f"the data set holds images of {stored.size_px} x {stored.size_px} pixels, the network needs "
                f"at least {self.size_px} x {self.size_px}: make the set again with --image-size "
                f"{self.size_px}, or train the small network (no --base) with --sight.image-size of at most "
                f"{stored.size_px}"
            )
        if (stored.square, stored.crop_area) != (self.square, 1.0):
            raise PipelineError(
                f"the data set holds images cut with square = {stored.square!r} and crop_area = "
                f"{stored.crop_area}, the network needs {self.square!r} and 1.0: make the set again with "
                f"--square {self.square}"
            )
        return dataclasses.replace(self, rotate=stored.rotate, stored_px=stored.size_px)


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


def network_image(image: Image, pipeline: ImagePipeline, camera: str | None = None) -> Image:
    """Bring an image to the network's size; what is left to do is the crop of `crop_area`.

    Args:
        image: (H, W, 3) uint8 RGB, of a camera or of a data set: what was done to it already changes nothing.
        camera: which camera's, to turn it where that is upside down; None for images of a data set.

    Returns:
        (S, S, 3) uint8 RGB.

    Raises:
        ImageError: not an RGB uint8 image.
        TooSmallError: it is smaller than the pipeline needs.
    """
    check_image(image)
    height, width = image.shape[:2]
    if min(height, width) < (needed := pipeline.stored_px or pipeline.size_px):
        raise TooSmallError(
            f"an image of {width} x {height} pixels is too small: each side must have at least {needed}"
        )
    if pipeline.square == "centre":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    if camera in pipeline.rotate:
        image = image[::-1, ::-1]
    if pipeline.stored_px is not None:
        image = _resize(image, pipeline.stored_px, "area")
    return np.ascontiguousarray(_resize(image, pipeline.size_px, pipeline.interpolation))


def _resize(image: Image, side: int, interpolation: Interpolation) -> Image:
    if image.shape[:2] == (side, side):
        return image
    if interpolation == "area":
        resized = cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA)
    else:
        bicubic = PIL.Image.Resampling.BICUBIC
        resized = np.asarray(PIL.Image.fromarray(image).resize((side, side), bicubic))
    return np.asarray(resized, dtype=np.uint8)
