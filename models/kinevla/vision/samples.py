"""Images with known keypoints, from rendered views and from demonstrations, held as JPEG in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.backbone.config import VisionConfig
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg
from kinevla.data.views import ViewReader
from kinevla.observation.images import ImagePipeline, network_points
from kinevla.observation.observation import stored_inputs

# A point further away than this is parked out of the scene (the simulator hides absent objects far below).
_PRESENT_RADIUS_M = 1.5


@dataclass(frozen=True)
class KeypointSamples:
    """N observations with labels.

    Attributes:
        jpeg: N pairs (front, wrist) of JPEG images.
        keypoints_px: (N, 2, K, 2) float32 pixel coordinates, pixel centres at whole numbers.
        visible: (N, 2, K) bool.
        state: (N, D) float32.
        points_m: (N, K, 3) float32 in the base frame, NaN where unknown or absent.
        size_px: side at which the images are given, and to which `keypoints_px` belong.
    """

    jpeg: tuple[tuple[bytes, bytes], ...]
    keypoints_px: NDArray[np.float32]
    visible: NDArray[np.bool_]
    state: NDArray[np.float32]
    points_m: NDArray[np.float32]
    size_px: int

    def __len__(self) -> int:
        return len(self.jpeg)

    def images(self, indices: NDArray[np.int64]) -> Tensor:
        """Decode observations: (B, 2, S, S, 3) uint8."""
        pipeline = ImagePipeline(self.size_px)
        return torch.stack(
            [stored_inputs([decode_jpeg(item) for item in self.jpeg[index]], pipeline) for index in indices]
        )

    def take(self, indices: NDArray[np.int64]) -> KeypointSamples:
        """Return a subset."""
        return KeypointSamples(
            tuple(self.jpeg[index] for index in indices),
            self.keypoints_px[indices], self.visible[indices], self.state[indices], self.points_m[indices],
            self.size_px,
        )  # fmt: skip

    @staticmethod
    def concatenate(parts: list[KeypointSamples]) -> KeypointSamples:
        """Join sample sets.

        Raises:
            ValueError: nothing to join.
        """
        if not parts:
            raise ValueError("there are no samples with keypoints")
        return KeypointSamples(
            tuple(item for part in parts for item in part.jpeg),
            np.concatenate([part.keypoints_px for part in parts]),
            np.concatenate([part.visible for part in parts]),
            np.concatenate([part.state for part in parts]),
            np.concatenate([part.points_m for part in parts]),
            parts[0].size_px,
        )


def _make(
    front: tuple[bytes, ...],
    wrist: tuple[bytes, ...],
    keypoints_px: NDArray[np.floating],
    visible: NDArray[np.bool_],
    state: NDArray[np.floating],
    points_m: NDArray[np.floating] | None,
    pipeline: ImagePipeline,
) -> KeypointSamples:
    stored_px = pipeline.stored_px or pipeline.size_px
    finite = np.isfinite(keypoints_px).all(-1)
    points = (
        np.full((*visible.shape[::2], 3), np.nan)
        if points_m is None
        else np.array(points_m, dtype=np.float64)
    )
    points[np.linalg.norm(np.nan_to_num(points, nan=np.inf), axis=-1) > _PRESENT_RADIUS_M] = np.nan
    return KeypointSamples(
        tuple(zip(front, wrist, strict=True)),
        network_points(np.where(finite[..., None], keypoints_px, 0.0), (stored_px, stored_px), pipeline),
        visible & finite,
        np.asarray(state, dtype=np.float32),
        points.astype(np.float32),
        pipeline.size_px,
    )


def read_view_samples(directory: Path, towers: VisionConfig) -> list[KeypointSamples]:
    """Read rendered views, one entry per shard.

    Raises:
        ValueError: the views name other keypoints than the towers look for, or are too small for them.
        DataError: damaged shard.
    """
    parts, reader, keypoints = [], ViewReader(directory), towers.keypoints
    pipeline = ImagePipeline(towers.image_size).on(ImagePipeline(reader.config["image_size"]))
    for views in reader:
        if views.keypoint_names != keypoints:
            raise ValueError(
                f"{directory} labels {', '.join(views.keypoint_names)}, towers need {', '.join(keypoints)}"
            )
        parts.append(
            _make(
                views.front_jpeg,
                views.wrist_jpeg,
                views.keypoints_px,
                views.visible,
                views.state,
                views.keypoints_m,
                pipeline,
            )
        )
    return parts


def read_demonstration_samples(directory: Path, stride: int, towers: VisionConfig) -> list[KeypointSamples]:
    """Read every `stride`-th frame of the demonstrations that carry keypoints, one entry per episode.

    Raises:
        PipelineError: images that are too small for the towers, or cut in another way.
    """
    parts, reader = [], EpisodeReader(directory)
    pipeline = ImagePipeline(towers.image_size).on(reader.images)
    for episode in reader:
        if episode.keypoints_px is None or episode.visible is None:
            continue
        keep = slice(episode.seed % stride, None, stride)
        points_m = getattr(episode, "keypoints_m", None)
        parts.append(
            _make(
                episode.front_jpeg[keep],
                episode.wrist_jpeg[keep],
                episode.keypoints_px[keep],
                episode.visible[keep],
                episode.state[keep],
                None if points_m is None else points_m[keep],
                pipeline,
            )
        )
    return parts
