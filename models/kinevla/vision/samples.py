"""Images with known keypoints, from rendered views and from demonstrations, held as JPEG in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg
from kinevla.data.views import ViewReader

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
    """

    jpeg: tuple[tuple[bytes, bytes], ...]
    keypoints_px: NDArray[np.float32]
    visible: NDArray[np.bool_]
    state: NDArray[np.float32]
    points_m: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.jpeg)

    def images(self, indices: NDArray[np.int64]) -> Tensor:
        """Decode observations: (B, 2, S, S, 3) uint8."""
        decoded = [np.stack([decode_jpeg(item) for item in self.jpeg[index]]) for index in indices]
        return torch.from_numpy(np.stack(decoded))

    def take(self, indices: NDArray[np.int64]) -> KeypointSamples:
        """Return a subset."""
        return KeypointSamples(
            tuple(self.jpeg[index] for index in indices),
            self.keypoints_px[indices], self.visible[indices], self.state[indices], self.points_m[indices],
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
        )


def _make(
    front: tuple[bytes, ...],
    wrist: tuple[bytes, ...],
    keypoints_px: NDArray[np.floating],
    visible: NDArray[np.bool_],
    state: NDArray[np.floating],
    points_m: NDArray[np.floating] | None,
) -> KeypointSamples:
    finite = np.isfinite(keypoints_px).all(-1)
    points = (
        np.full((*visible.shape[::2], 3), np.nan)
        if points_m is None
        else np.array(points_m, dtype=np.float64)
    )
    points[np.linalg.norm(np.nan_to_num(points, nan=np.inf), axis=-1) > _PRESENT_RADIUS_M] = np.nan
    return KeypointSamples(
        tuple(zip(front, wrist, strict=True)),
        np.where(finite[..., None], keypoints_px, 0.0).astype(np.float32),
        visible & finite,
        np.asarray(state, dtype=np.float32),
        points.astype(np.float32),
    )


def read_view_samples(directory: Path, keypoints: tuple[str, ...]) -> list[KeypointSamples]:
    """Read rendered views, one entry per shard.

    Raises:
        ValueError: the views name other keypoints than the towers look for.
        DataError: damaged shard.
    """
    parts = []
    for views in ViewReader(directory):
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
            )
        )
    return parts


def read_demonstration_samples(directory: Path, stride: int) -> list[KeypointSamples]:
    """Read every `stride`-th frame of the demonstrations that carry keypoints, one entry per episode."""
    parts = []
    for episode in EpisodeReader(directory):
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
            )
        )
    return parts
