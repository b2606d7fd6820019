"""What is sensed at one instant, and the tensors the network reads of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.observation.augmentation import ImageAugmentation, augment, centre_crop
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import Image, ImagePipeline, network_image

_JOINTS = 7


class ObservationError(ValueError):
    """An observation the policy must not act on; the text names the camera or joint."""


@dataclass(frozen=True)
class Observation:
    """What is sensed at one instant.

    Attributes:
        front: (H, W, 3) uint8 RGB of the front camera, of any size from the pipeline's on.
        wrist: (H, W, 3) uint8 RGB of the wrist camera.
        state: (8,) measured joint_1..joint_7 in rad, gripper 0 closed .. 1 open.
    """

    front: Image
    wrist: Image
    state: NDArray[np.float64]


def network_inputs(
    observation: Observation,
    pipeline: ImagePipeline,
    cameras: Sequence[str] = ("front", "wrist"),
    state_dim: int = 8,
) -> tuple[Tensor, Tensor]:
    """Check an observation and turn it into what the network reads.

    Returns:
        Images (1, N, S, S, 3) uint8 and state (1, D) float32 in its own units.

    Raises:
        ObservationError: an image of another type or too small, a state that is not (D,) finite numbers.
    """
    images = []
    for camera in cameras:
        try:
            images.append(network_image(getattr(observation, camera), pipeline, camera))
        except ImageError as error:
            raise ObservationError(f"{camera} camera: {error}") from error
    state = np.asarray(observation.state)
    real = np.issubdtype(state.dtype, np.floating) or np.issubdtype(state.dtype, np.integer)
    if state.shape != (state_dim,) or not real:
        raise ObservationError(f"state must be ({state_dim},) real numbers, got {state.dtype} {state.shape}")
    if not np.isfinite(state).all():
        index = int(np.flatnonzero(~np.isfinite(state))[0])
        name = f"joint_{index + 1}" if index < _JOINTS else "gripper"
        raise ObservationError(f"state of {name} is {state[index]}, which is not a finite number")
    seen = centre_crop(torch.from_numpy(np.stack(images)), pipeline.crop_area)
    return seen[None], torch.from_numpy(state.astype(np.float32)[None])


def stored_inputs(
    images: Sequence[Image],
    pipeline: ImagePipeline,
    augmentation: ImageAugmentation | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Turn images of a data set into what the network reads.

    Args:
        images: N images (H, W, 3) uint8 RGB.
        augmentation: strengths, with a generator: each image is cropped at random and recoloured. Otherwise
            they are what `network_inputs` makes of them.

    Returns:
        (N, S, S, 3) uint8.

    Raises:
        ImageError: an image the pipeline does not take.
    """
    stacked = torch.from_numpy(np.stack([network_image(image, pipeline) for image in images]))
    if augmentation is None or generator is None:
        return centre_crop(stacked, pipeline.crop_area)
    return augment(stacked, pipeline.crop_area, augmentation, generator)
