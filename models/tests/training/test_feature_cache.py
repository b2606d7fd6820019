"""Feature maps are computed once, go on where they stopped, and know which frames may be changed."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

from kinevla.backbone.image_features import ImageFeatures, image_features
from kinevla.data.episodes import EpisodeReader
from kinevla.data.split import SPLIT_NAME, read_split
from kinevla.observation.images import ImagePipeline, PipelineError
from kinevla.observation.photometric import PhotometricNoise
from kinevla.training import feature_cache
from kinevla.training.feature_cache import CacheConfig, FeatureCache, open_cache

from .conftest import SIZE

PLAIN = CacheConfig(ImagePipeline(SIZE), None, val_percent=20)
LIT = CacheConfig(ImagePipeline(SIZE), PhotometricNoise(share=1.0), val_percent=20)


def opened(root: Path, workplace: Path, config: CacheConfig) -> FeatureCache:
    return open_cache(root, workplace / "demos", config, progress=False)


def same(one: FeatureCache, other: FeatureCache, rows: np.ndarray | slice = slice(None)) -> bool:
    pairs = zip(one.maps, other.maps, strict=True)
    return all(np.array_equal(first[rows], second[rows]) for first, second in pairs)


@pytest.fixture(scope="module")
def plain(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return opened(tmp_path_factory.mktemp("plain"), workplace, PLAIN)


@pytest.fixture(scope="module")
def lit(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return opened(tmp_path_factory.mktemp("lit"), workplace, LIT)


def test_every_frame_has_the_features_of_its_own_images(workplace: Path, plain: FeatureCache) -> None:
    reader = EpisodeReader(workplace / "demos")
    assert len(plain) == sum(entry.frames for entry in reader.entries)
    episode = reader.read(2)  # Rows 24..35: episodes have 12 frames.
    images = np.stack([episode.images(camera)[6] for camera in ("front", "wrist")])
    maps = image_features(torch.device("cpu"))(torch.from_numpy(images)[None])
    for found, expected in zip(plain.read(np.array([30])), maps, strict=True):
        assert found.dtype == torch.float16
        torch.testing.assert_close(found.float(), expected, rtol=1e-3, atol=1e-2)


def test_light_changes_training_frames_only(workplace: Path, plain: FeatureCache, lit: FeatureCache) -> None:
    reader = EpisodeReader(workplace / "demos")
    parts = read_split(reader, 20).parts()
    held_out = np.repeat([parts[entry.name] == "val" for entry in reader.entries], 12)
    assert 0 < held_out.sum() < len(held_out)
    assert same(plain, lit, held_out)
    changed = (plain.maps[0] != lit.maps[0]).reshape(len(lit), -1).any(axis=1)
    assert changed[~held_out].all()


def test_light_is_drawn_by_the_seed(workplace: Path, tmp_path: Path, lit: FeatureCache) -> None:
    assert same(lit, opened(tmp_path, workplace, LIT))
    other = CacheConfig(LIT.images, LIT.light, seed=1, val_percent=20)
    assert not same(lit, opened(tmp_path, workplace, other))


def test_an_interrupted_computation_goes_on_where_it_stopped(
    workplace: Path, tmp_path: Path, lit: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Bar(tqdm):  # type: ignore[type-arg]
        stops_at: int | None = 5

        def __init__(self, **settings: object) -> None:
            super().__init__(**settings)
            seen.append(self.n)
            self.count = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.count += 1
            if self.count == self.stops_at:
                raise KeyboardInterrupt
            return super().update(n)

    monkeypatch.setattr(feature_cache, "tqdm", Bar)
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path, workplace, LIT)
    Bar.stops_at = None
    assert same(lit, opened(tmp_path, workplace, LIT))
    assert seen == [0, 5]


def test_what_is_computed_is_not_computed_again(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path, workplace, PLAIN)

    def never(self: ImageFeatures, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise AssertionError("these features are there already")

    monkeypatch.setattr(ImageFeatures, "forward", never)
    assert same(first, opened(tmp_path, workplace, PLAIN))


def test_processes_compute_the_same_features(
    workplace: Path, tmp_path: Path, lit: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "multiprocessing", multiprocessing)
    apart = open_cache(tmp_path, workplace / "demos", LIT, workers=2, progress=False)
    for one, other in zip(lit.maps, apart.maps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-2)


def test_another_split_has_features_of_its_own(workplace: Path, tmp_path: Path) -> None:
    demos = shutil.copytree(workplace / "demos", tmp_path / "demos")
    names = [entry.name for entry in EpisodeReader(demos).entries]
    found = []
    for held_out in (0, 1):
        split = {"val_percent": 10, "val": [names[held_out]]}
        split["train"] = [name for name in names if name not in split["val"]]
        (demos / SPLIT_NAME).write_text(json.dumps(split))
        feature_cache._opened.cache_clear()
        found.append(opened(tmp_path / "cache", tmp_path, LIT))
    assert not same(*found, slice(0, 12)) and not same(*found, slice(12, 24))
    assert same(*found, slice(24, None))


def test_images_the_network_cannot_see_are_refused(workplace: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=f"at least {2 * SIZE} x {2 * SIZE}"):
        opened(tmp_path, workplace, CacheConfig(ImagePipeline(2 * SIZE), None))
