"""Visual features of every demonstration frame, computed once by the frozen towers and mapped from disk.

The cache belongs to one pair of towers and one data set: its folder is named after the hash of both, so that
changed towers or data never meet old features.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kinevla.backbone.config import VisionConfig
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.bounded import read_json
from kinevla.data.episodes import EpisodeReader
from kinevla.manifest import MANIFEST_NAME, file_sha256, write_json
from kinevla.observation.images import ImagePipeline
from kinevla.observation.observation import stored_inputs
from kinevla.training.ahead import computed_ahead

log = logging.getLogger(__name__)
_DONE_NAME = "done.json"
_BATCH = 64


def cache_key(vision_directory: Path, data_directory: Path) -> str:
    """Return the name of the cache of these towers on this data set."""
    digest = hashlib.sha256()
    for directory in (vision_directory, data_directory):
        digest.update(file_sha256(directory / MANIFEST_NAME).encode())
    return digest.hexdigest()[:20]


@dataclass(frozen=True)
class FeatureCache:
    """Features of N frames in the order of the data set (episode by episode), memory-mapped.

    Attributes:
        patches: (N, C, P, W) float16.
        keypoints: (N, C, 2, K, 3) float32.
        local: (N, C, K, L) float16.
        points: (N, K, 4) float32.
    """

    patches: NDArray[np.float16]
    keypoints: NDArray[np.float32]
    local: NDArray[np.float16]
    points: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.patches)

    def batch(self, rows: NDArray[np.int64]) -> VisualFeatures:
        """Return the features of some frames in single precision."""
        return VisualFeatures(
            patches=torch.from_numpy(self.patches[rows].astype(np.float32)),
            keypoints=torch.from_numpy(np.array(self.keypoints[rows])),
            local=torch.from_numpy(self.local[rows].astype(np.float32)),
            points=torch.from_numpy(np.array(self.points[rows])),
        )


def tower_images(config: VisionConfig, reader: EpisodeReader) -> ImagePipeline:
    """Return how pretrained towers see the images of a data set.

    Raises:
        PipelineError: they cannot: too small, or cut in another way than those the towers learned from.
    """
    return ImagePipeline(config.image_size).on(reader.images)


def _shapes(backbone: VisionBackbone, frames: int) -> dict[str, tuple[tuple[int, ...], str]]:
    config = backbone.config
    cameras, keypoints = len(config.cameras), len(config.keypoints)
    return {
        "patches": ((frames, cameras, config.patch_grid**2, config.patch_width), "float16"),
        "keypoints": ((frames, cameras, 2, keypoints, 3), "float32"),
        "local": ((frames, cameras, keypoints, config.local_width), "float16"),
        "points": ((frames, keypoints, 4), "float32"),
    }


@torch.inference_mode()
def build_cache(
    root: Path, key: str, backbone: VisionBackbone, reader: EpisodeReader, bf16: bool, threads: int = 0
) -> FeatureCache:
    """Open the cache of a data set, computing what is missing.

    Progress is noted after every episode, so an interrupted computation goes on where it stopped.

    Args:
        root: folder of all caches.
        key: from `cache_key`.
        backbone: towers in evaluation mode, on the device they shall run on.
        reader: the data set.
        bf16: mixed precision in the towers (twice as fast, errors below a tenth of a pixel).
        threads: threads that decode images ahead; 0 decodes in between.

    Raises:
        PipelineError: images the towers cannot see: too small, or cut in another way.
    """
    directory, pipeline = root / key, tower_images(backbone.config, reader)
    directory.mkdir(parents=True, exist_ok=True)
    frames = [entry.frames for entry in reader.entries]
    marker = directory / _DONE_NAME
    done = read_json(marker)["episodes"] if marker.is_file() else 0
    arrays = {
        name: np.lib.format.open_memmap(
            directory / f"{name}.npy", mode="r+" if done else "w+", dtype=dtype, shape=None if done else shape
        )
        for name, (shape, dtype) in _shapes(backbone, sum(frames)).items()
    }
    offsets = np.concatenate([[0], np.cumsum(frames)])
    device = next(backbone.parameters()).device

    def read(number: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        episode = reader.read(number)
        views = [stored_inputs(list(episode.images(camera)), pipeline) for camera in backbone.config.cameras]
        return number, torch.stack(views, dim=1), torch.from_numpy(episode.state).float()

    for number, views, state in computed_ahead(read, range(done, len(reader)), threads):
        for start in range(0, len(views), _BATCH):
            part = slice(start, start + _BATCH)
            images = views[part]
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                features = backbone(images.to(device), state[part].to(device))
            rows = slice(offsets[number] + start, offsets[number] + start + len(features.patches))
            for name, array in arrays.items():
                array[rows] = getattr(features, name).float().cpu().numpy()
        if (number + 1) % 4 == 0 or number + 1 == len(reader):
            for array in arrays.values():
                array.flush()
            write_json(marker, {"episodes": number + 1})
            log.info("features of %d of %d episodes", number + 1, len(reader))
    return FeatureCache(**arrays)
