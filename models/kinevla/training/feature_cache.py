"""Feature maps of every demonstration frame, computed once by the frozen image encoder and mapped from disk.

The folder of a cache is named after what decides its content: data set and its split, image encoder, image
size, changes of the light. Frames are shown as they are for validation, and changed by one random draw each
for training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from kinevla.backbone.image_features import CHANNELS, FORM, STRIDES, ImageFeatures
from kinevla.backbone.pretrained import SIGHT
from kinevla.data.episode import CAMERAS
from kinevla.data.episodes import EpisodeReader
from kinevla.data.frames import FrameReader
from kinevla.data.images import decode_jpeg
from kinevla.data.split import SPLIT_NAME, read_split
from kinevla.manifest import MANIFEST_NAME, file_sha256
from kinevla.observation.images import ImagePipeline
from kinevla.observation.observation import stored_inputs
from kinevla.observation.photometric import PhotometricNoise, change_light
from kinevla.plain import to_plain

log = logging.getLogger(__name__)
_DONE_NAME = "done.npy"


@dataclass(frozen=True)
class CacheConfig:
    """What decides the content of a cache beside the data set."""

    images: ImagePipeline  # the network's pipeline
    light: PhotometricNoise | None  # changes of the light of training frames; None for none
    seed: int = 0
    val_percent: int = 10  # share of the episodes held out, whose frames stay as they are


@dataclass(frozen=True)
class FeatureCache:
    """Feature maps of N frames in the order of the data set, memory-mapped, one array per scale."""

    maps: tuple[NDArray[np.float16], ...]  # each (N, cameras, h, w, C) float16

    def __len__(self) -> int:
        return len(self.maps[0])

    def read(self, rows: NDArray[np.int64], seeds: NDArray[np.int64] | None = None) -> tuple[Tensor, ...]:
        """Return the maps of some frames; what is random about them was drawn when they were computed."""
        return tuple(torch.from_numpy(array[rows]) for array in self.maps)


def open_cache(
    root: Path, data: Path, config: CacheConfig, workers: int = 1, progress: bool = True
) -> FeatureCache:
    """Open the cache of a data set, computing what is missing; an interrupted computation goes on.

    Raises:
        PipelineError: images the network cannot see: too small, or cut in another way.
    """
    reader = EpisodeReader(data)
    pipeline = config.images.on(reader.images)
    digest = hashlib.sha256(json.dumps(to_plain(config), sort_keys=True).encode())
    files = [data / MANIFEST_NAME, *(split for split in (data / SPLIT_NAME,) if split.is_file())]
    digest.update("".join([SIGHT.sha256, FORM, *map(file_sha256, files)]).encode())
    directory = root / digest.hexdigest()[:20]
    directory.mkdir(parents=True, exist_ok=True)
    frames = sum(entry.frames for entry in reader.entries)
    if not (directory / _DONE_NAME).is_file():
        for index, (channels, stride) in enumerate(zip(CHANNELS, STRIDES, strict=True)):
            side = pipeline.size_px // stride
            np.lib.format.open_memmap(
                directory / f"map{index}.npy", mode="w+", dtype=np.float16,
                shape=(frames, len(CAMERAS), side, side, channels),
            )  # fmt: skip
        np.save(directory / _DONE_NAME, np.zeros(len(reader.entries), dtype=np.bool_))
    done = np.load(directory / _DONE_NAME)
    open_episodes = np.flatnonzero(~done)
    if len(open_episodes):
        context = multiprocessing.get_context("spawn")
        jobs = [(directory, data, pipeline, config, int(number)) for number in open_episodes]
        with context.Pool(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            bar = tqdm(total=len(done), initial=int(done.sum()), unit="episode", disable=not progress)
            for number in pool.imap_unordered(_compute, jobs):
                done[number] = True
                np.save(directory / _DONE_NAME, done)
                bar.update()
            bar.close()
    return FeatureCache(
        tuple(np.load(directory / f"map{index}.npy", mmap_mode="r") for index in range(len(STRIDES)))
    )


_encoder = lru_cache(maxsize=1)(ImageFeatures)


@lru_cache(maxsize=1)
def _opened(data: Path, val_percent: int) -> tuple[EpisodeReader, FrameReader, dict[str, str]]:
    reader = EpisodeReader(data)
    return reader, FrameReader(reader), dict(read_split(reader, val_percent).parts())


def _compute(job: tuple[Path, Path, ImagePipeline, CacheConfig, int]) -> int:
    """Fill in the rows of one episode; runs in a process of its own."""
    directory, data, pipeline, config, number = job
    reader, frames, parts = _opened(data, config.val_percent)
    entry = reader.entries[number]
    held_out = parts[entry.name] == "val"
    start = sum(other.frames for other in reader.entries[:number])
    arrays = [np.load(directory / f"map{index}.npy", mmap_mode="r+") for index in range(len(STRIDES))]
    for frame in range(entry.frames):
        images = stored_inputs([decode_jpeg(jpeg) for jpeg in frames.jpeg(number, frame)], pipeline)
        if config.light is not None and not held_out:
            rng = np.random.default_rng([config.seed, number, frame])
            images = torch.from_numpy(change_light(images.numpy(), config.light, rng))
        for array, found in zip(arrays, _encoder()(images[None]), strict=True):
            array[start + frame] = found[0].half().numpy()
    return number
