"""Where a training step gets to see its frames: features computed once, or images looked at anew.

Frozen towers see every image only once (`FeatureCache`). Where towers are trained or images augmented, they
have to be run in every step (`ImageInputs`). The training loop does not know the difference.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.backbone.model import Features, KineVLAModel
from kinevla.data.episodes import EpisodeReader
from kinevla.data.frames import FrameReader
from kinevla.data.images import decode_jpeg
from kinevla.observation.augmentation import ImageAugmentation
from kinevla.observation.images import ImagePipeline
from kinevla.observation.observation import stored_inputs

Inputs: TypeAlias = Features | Tensor
T = TypeVar("T")


class InputSource(Protocol):
    """Gives what the network sees of some frames."""

    def read(self, rows: NDArray[np.int64], seeds: NDArray[np.int64] | None) -> Inputs:
        """Return visual features, or images (B, N, S, S, 3) uint8, of frames of the data set.

        Args:
            rows: (B,) numbers of the frames, counted through all episodes.
            seeds: (B,) one seed per sample for noise and augmentation; None leaves the frames as they are.
        """


class ImageInputs:
    """Images of the frames as the network reads them, cropped at random and recoloured while training.

    Each image is read from its episode's file when it is needed; none stays in memory.

    Args:
        pipeline: the network's.
        augmentation: strengths, or None to show frames with a seed like those without.
    """

    def __init__(
        self, reader: EpisodeReader, pipeline: ImagePipeline, augmentation: ImageAugmentation | None
    ) -> None:
        self._frames = FrameReader(reader)
        self._pipeline, self._augmentation = pipeline, augmentation
        self._ends = np.cumsum([entry.frames for entry in reader.entries])

    def read(self, rows: NDArray[np.int64], seeds: NDArray[np.int64] | None) -> Tensor:
        """See `InputSource`."""
        return torch.stack(
            [self._frame(int(row), None if seeds is None else int(seeds[i])) for i, row in enumerate(rows)]
        )

    def _frame(self, row: int, seed: int | None) -> Tensor:
        number = int(np.searchsorted(self._ends, row, side="right"))
        frame = row - (int(self._ends[number - 1]) if number else 0)
        images = [decode_jpeg(jpeg) for jpeg in self._frames.jpeg(number, frame)]
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return stored_inputs(images, self._pipeline, self._augmentation, generator)


def visual_features(model: KineVLAModel, inputs: Inputs) -> Features:
    """Return the features of inputs of either kind, running the towers where they are images."""
    return model.features(inputs) if isinstance(inputs, Tensor) else inputs


def on_device(value: T, device: torch.device) -> T:
    """Return a tensor, or a dataclass with all its tensors, on a device."""
    result: Any = value
    if isinstance(value, Tensor):
        result = value.to(device, non_blocking=True)
    elif isinstance(value, tuple) and not hasattr(value, "_fields"):
        result = tuple(on_device(item, device) for item in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: on_device(getattr(value, f.name), device) for f in dataclasses.fields(value)}
        result = dataclasses.replace(value, **parts)
    return result
