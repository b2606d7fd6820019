"""Rendered random views for teaching the eyes: images with projected keypoints, in shards.

A shard is one npz of `SHARD_SIZE` samples; shards are made independently, so the work can be spread over
processes, stopped and continued.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kinevla.data.episode import CAMERAS
from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.data.packing import DataError, npz_bytes, pack_bytes, read_npz, unpack_bytes
from kinevla.data.plugins import RANDOM_VIEWS, load_object, prepare_rendering
from kinevla.data.workers import Deadline, JobRunner
from kinevla.manifest import (
    MANIFEST_NAME,
    ManifestError,
    file_sha256,
    listed_file,
    read_manifest,
    write_atomically,
    write_manifest,
)
from kinevla.observation.images import (
    MODEL_IMAGE_SIZE,
    Image,
    ImagePipeline,
    network_image,
    network_points,
)

VIEWS_KIND = "views"
SHARD_SIZE = 500
_SEED_BLOCK = 100_003
_REQUIRED = (
    "front_bytes", "front_offsets", "wrist_bytes", "wrist_offsets", "keypoints_px", "visible", "state",
    "keypoint_names",
)  # fmt: skip


@dataclass(frozen=True)
class ViewsConfig:
    """What to render.

    Attributes:
        out: directory of shards; an unfinished one is continued.
        count: samples wanted, rounded up to whole shards.
        seed: seed of the set; every shard gets its own from it.
        workers: processes.
        max_minutes: time budget; None runs to the end.
        source: "module:function" that maps a seed to an endless iterator of samples.
        image_size: side of the stored images, pixels.
        shard_size: samples per file.
    """

    out: Path
    count: int = 14_000
    seed: int = 0
    workers: int = 2
    max_minutes: float | None = None
    source: str = RANDOM_VIEWS
    image_size: int = MODEL_IMAGE_SIZE
    shard_size: int = SHARD_SIZE

    def __post_init__(self) -> None:
        if self.count < 1 or self.shard_size < 1:
            raise ValueError(
                f"count and shard_size must be at least 1, got {self.count} and {self.shard_size}"
            )
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True)
class Views:
    """N samples in memory.

    Attributes:
        front_jpeg: N JPEG images, model size.
        wrist_jpeg: N JPEG images, model size.
        keypoints_px: (N, 2, K, 2) float32 pixel coordinates (x, y), cameras in the order front, wrist; (0, 0)
            is the outer corner of the image, NaN marks a point that is not seen.
        visible: (N, 2, K) bool.
        state: (N, D) float32 measured joints and gripper.
        keypoint_names: K names.
        keypoints_m: (N, K, 3) float32 world coordinates, NaN for what is absent; None where the
            source does not tell them.
    """

    front_jpeg: tuple[bytes, ...]
    wrist_jpeg: tuple[bytes, ...]
    keypoints_px: NDArray[np.float32]
    visible: NDArray[np.bool_]
    state: NDArray[np.float32]
    keypoint_names: tuple[str, ...]
    keypoints_m: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.state)

    def images(self, camera: str) -> Image:
        """Decode all images of 'front' or 'wrist': (N, H, W, 3) uint8 RGB."""
        if camera not in CAMERAS:
            raise ValueError(f"camera {camera!r} is unknown, choose from {', '.join(CAMERAS)}")
        return np.stack([decode_jpeg(item) for item in getattr(self, f"{camera}_jpeg")])


@dataclass(frozen=True)
class _ShardJob:
    config: ViewsConfig
    index: int


def shard_name(index: int) -> str:
    """File name of shard `index`."""
    return f"views-{index:05d}.npz"


def _render_shard(job: _ShardJob) -> bytes:
    """Render one shard and return its npz bytes."""
    prepare_rendering()
    config, pipeline = job.config, ImagePipeline(job.config.image_size)
    source = load_object(config.source)(config.seed * _SEED_BLOCK + job.index)
    samples = list(itertools.islice(source, config.shard_size))
    if len(samples) < config.shard_size:
        raise DataError(f"{config.source} ended after {len(samples)} samples, {config.shard_size} needed")
    arrays: dict[str, Any] = {"state": np.stack([sample["state"] for sample in samples]).astype(np.float32)}
    for camera in CAMERAS:
        images = [encode_jpeg(network_image(sample[camera], pipeline)) for sample in samples]
        arrays[f"{camera}_bytes"], arrays[f"{camera}_offsets"] = pack_bytes(images)
    shape = samples[0][CAMERAS[0]].shape
    points = np.stack([[sample["keypoints"][camera] for camera in CAMERAS] for sample in samples])
    arrays["keypoints_px"] = network_points(points, shape, pipeline)
    arrays["visible"] = np.stack(
        [[sample["visible"][camera] for camera in CAMERAS] for sample in samples]
    ).astype(np.bool_)
    if "keypoints_m" in samples[0]:
        arrays["keypoints_m"] = np.stack([sample["keypoints_m"] for sample in samples]).astype(np.float32)
    module_name, _, _ = config.source.partition(":")
    arrays["keypoint_names"] = np.array(load_object(f"{module_name}:KEYPOINT_NAMES"))
    return npz_bytes(arrays)


def generate_views(config: ViewsConfig, *, progress: bool = True) -> tuple[int, int]:
    """Render views until `count` is reached or the time is used up.

    Returns:
        (samples held, samples wanted).

    Raises:
        DataError: the directory holds views of another configuration.
    """
    deadline = Deadline(config.max_minutes)
    identity = {
        "source": config.source,
        "seed": config.seed,
        "image_size": config.image_size,
        "shard_size": config.shard_size,
    }
    done = _shards_held(config.out, identity)
    shards = -(-config.count // config.shard_size)
    todo = iter([index for index in range(shards) if shard_name(index) not in done])

    def next_job() -> _ShardJob | None:
        index = next(todo, None)
        return None if index is None else _ShardJob(config, index)

    def save() -> None:
        summary = {"samples": len(done) * config.shard_size}
        write_manifest(
            config.out, kind=VIEWS_KIND, files=done, config=identity, summary=summary, known_sha256=done
        )

    runner: JobRunner = JobRunner(_render_shard, config.workers)
    total = shards * config.shard_size
    with tqdm(total=total, initial=len(done) * config.shard_size, unit="view", disable=not progress) as bar:
        for job, content, error in runner.run(next_job, deadline):
            if error is not None or content is None:
                raise DataError(f"shard {job.index} of {config.out} failed: {error}") from error
            path = config.out / shard_name(job.index)
            write_atomically(path, content)
            done[path.name] = file_sha256(path)
            save()
            bar.update(config.shard_size)
    return len(done) * config.shard_size, total


def _shards_held(directory: Path, identity: dict[str, Any]) -> dict[str, str]:
    """Return name -> sha256 of the shards that are there and whole."""
    if not (directory / MANIFEST_NAME).exists():
        return {}
    manifest = read_manifest(directory, kind=VIEWS_KIND)
    for key, new in identity.items():
        if (old := manifest["config"].get(key)) != new:
            raise DataError(
                f"{directory} was made with {key} = {old!r}, asked for {new!r}: use another --out"
            )
    return {
        name: entry["sha256"]
        for name, entry in manifest["files"].items()
        if (directory / name).is_file() and file_sha256(directory / name) == entry["sha256"]
    }


class ViewReader:
    """Reads a directory of view shards; every shard is checked against the manifest when read.

    Raises:
        ManifestError: no manifest, or of another kind.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        manifest = read_manifest(self.directory, kind=VIEWS_KIND)
        self.config: dict[str, Any] = manifest["config"]
        self.summary: dict[str, Any] = manifest["summary"]
        self._sha256 = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        self.shards: tuple[str, ...] = tuple(sorted(self._sha256))

    def __len__(self) -> int:
        return int(self.summary["samples"])

    def __iter__(self) -> Iterator[Views]:
        return (self.read(index) for index in range(len(self.shards)))

    def read(self, index: int) -> Views:
        """Read shard `index`.

        Raises:
            DataError: missing, damaged or inconsistent shard, named in the text.
        """
        name = self.shards[index]
        try:
            path = listed_file(self.directory, name)
        except ManifestError as error:
            raise DataError(str(error)) from error
        if file_sha256(path) != self._sha256[name]:
            raise DataError(f"{path} is damaged: its sha256 differs from {MANIFEST_NAME}")
        arrays: dict[str, Any] = read_npz(path, _REQUIRED)
        try:
            return Views(
                front_jpeg=unpack_bytes(arrays["front_bytes"], arrays["front_offsets"]),
                wrist_jpeg=unpack_bytes(arrays["wrist_bytes"], arrays["wrist_offsets"]),
                keypoints_px=arrays["keypoints_px"],
                visible=arrays["visible"],
                state=arrays["state"],
                keypoint_names=tuple(str(item) for item in arrays["keypoint_names"]),
                keypoints_m=arrays.get("keypoints_m"),
            )
        except ValueError as error:
            raise DataError(f"{path} is inconsistent: {error}") from error
