from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.data.episode import encode_frames
from kinevla.manifest import ManifestError, read_manifest, require_input, write_atomically, write_manifest
from kinevla.training.state import STATE_NAME, ResumeError
from kinevla.vision import (
    KeypointSamples,
    VisionCheckpointError,
    VisionTrainConfig,
    load_vision,
    train_vision,
)
from kinevla.vision import trainer as vision_trainer
from kinevla.vision.augment import AugmentConfig, augment
from kinevla.vision.lifting import LiftConfig
from kinevla.vision.losses import heatmap_targets, point_loss
from kinevla.vision.trainer import VisionData

from .conftest import SIZE, TINY_MODEL


def bright_spots(count: int, seed: int) -> KeypointSamples:
    """Images with one bright spot per keypoint, each in its own colour; both cameras see the same."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(4, SIZE - 5, (count, 2, 5, 2)).astype(np.float32)
    images = rng.integers(0, 40, (count, 2, SIZE, SIZE, 3), dtype=np.uint8)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]], dtype=np.uint8)
    for sample, camera, index in np.ndindex(count, 2, 5):
        x, y = points[sample, camera, index].round().astype(int)
        images[sample, camera, y - 1 : y + 2, x - 1 : x + 2] = colours[index]
    jpeg = [encode_frames(list(images[:, camera])) for camera in range(2)]
    state = rng.normal(0, 0.3, (count, 8)).astype(np.float32)
    metres = np.concatenate([points[:, 0] / SIZE * 0.4, np.zeros((count, 5, 1))], axis=-1).astype(np.float32)
    visible = np.ones((count, 2, 5), dtype=np.bool_)
    return KeypointSamples(tuple(zip(*jpeg, strict=True)), points, visible, state, metres, SIZE)


def named_views(directory: Path) -> Path:
    """A result that stands for the views; the tests make up what is read from it."""
    write_atomically(directory / "views", b"made up")
    write_manifest(directory, kind="views", files=["views"])
    return directory


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VisionTrainConfig:
    data = VisionData(bright_spots(60, 0), None, bright_spots(12, 1))
    monkeypatch.setattr(vision_trainer, "load_data", lambda _: data)
    return VisionTrainConfig(
        views=named_views(tmp_path / "views"),
        out=tmp_path / "vision",
        max_minutes=None,
        max_steps=4,
        batch_size=6,
        warmup_steps=1,
        bf16=False,
        log_every=2,
        save_every=2,
        lift=LiftConfig(max_steps=5, batch_size=32),
        model=TINY_MODEL,
    )


def test_the_towers_learn_to_find_spots(config: VisionTrainConfig) -> None:
    import dataclasses

    from kinevla.backbone.config import TowerConfig

    tower = TowerConfig(widths=(12, 16, 16, 16))
    vision = dataclasses.replace(TINY_MODEL.vision, featurizer=tower)
    config = dataclasses.replace(config, model=dataclasses.replace(TINY_MODEL, vision=vision), batch_size=12)
    start = train_vision(dataclasses.replace(config, max_steps=1, out=config.out / "start"))
    longer = dataclasses.replace(config, max_steps=120, learning_rate=1e-2, out=config.out / "end")
    end = train_vision(longer)

    def error(report: dict) -> float:
        return float(np.mean([item["median_px"] for item in report["keypoints"].values()]))

    assert error(end) < 0.7 * error(start)
    assert set(end["points"]) == set(TINY_MODEL.vision.keypoints)


def test_a_stopped_pretraining_continues_to_the_same_towers(config: VisionTrainConfig) -> None:
    import dataclasses

    train_vision(config)
    straight = torch.load(config.out / STATE_NAME, weights_only=True)["model"]
    other = dataclasses.replace(config, out=config.out.parent / "stopped")
    calls = []
    original = vision_trainer.training_batch

    def stop_after_two(*arguments: object) -> object:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_trainer, "training_batch", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            train_vision(other)
    train_vision(other)
    continued = torch.load(other.out / STATE_NAME, weights_only=True)["model"]
    for name, value in straight.items():
        assert torch.equal(value, continued[name]), name
    with pytest.raises(ResumeError, match="learning_rate"):
        train_vision(dataclasses.replace(config, learning_rate=1.0))


def test_saved_towers_see_the_same_and_a_changed_file_is_refused(config: VisionTrainConfig) -> None:
    report = train_vision(config)
    first, model_config, stored = load_vision(config.out)
    assert model_config == TINY_MODEL
    assert stored["steps"] == report["steps"] == 4
    second, _, _ = load_vision(config.out)
    images = torch.randint(0, 256, (1, 2, SIZE, SIZE, 3), dtype=torch.uint8)
    state = torch.zeros(1, 8)
    assert torch.equal(first(images, state).keypoints, second(images, state).keypoints)
    assert require_input(read_manifest(config.out), config.views) == ("views",)
    (config.out / "towers.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ManifestError, match=r"towers\.safetensors"):
        load_vision(config.out)
    write_manifest(config.out, kind="vision", files=["config.json", "report.json", "towers.safetensors"])
    with pytest.raises(VisionCheckpointError, match=r"towers\.safetensors is damaged"):
        load_vision(config.out)


def test_labels_follow_the_crop() -> None:
    images = torch.zeros(4, 3, 64, 64)
    images[:, :, 30:33, 20:23] = 1.0
    points = ((torch.tensor([21.0, 31.0]) + 0.5) / 64 * 2 - 1).expand(4, 1, 2)
    settings = AugmentConfig(
        crop_share=1.0, min_area=0.6, brightness=0.0, contrast=0.0, saturation=0.0, noise=0.0
    )
    moved, labels, inside = augment(images, points, settings, torch.Generator().manual_seed(3))
    assert not torch.allclose(labels, points)
    for image, label, within in zip(moved, labels, inside, strict=True):
        if not within:
            continue
        weight = image[0] / image[0].sum()
        pixels = torch.arange(64.0)
        centre = torch.stack([(weight.sum(0) * pixels).sum(), (weight.sum(1) * pixels).sum()])
        torch.testing.assert_close(centre, (label[0] + 1) / 2 * 64 - 0.5, atol=0.15, rtol=0.0)


def test_points_that_left_the_image_do_not_count_as_visible() -> None:
    points = torch.tensor([[[0.99, 0.0], [0.0, 0.0]]]).expand(200, 2, 2)
    settings = AugmentConfig(crop_share=1.0, min_area=0.5)
    _, _, inside = augment(torch.rand(200, 3, 8, 8), points, settings, torch.Generator().manual_seed(0))
    assert 0 < int(inside[:, 0].sum()) < 200
    assert inside[:, 1].all()


def test_heatmap_targets_are_distributions_centred_on_the_point() -> None:
    points = torch.tensor([[[0.3, -0.5]]])
    target = heatmap_targets(points, 32).view(32, 32)
    centres = (torch.arange(32) + 0.5) / 32 * 2 - 1
    assert float(target.sum()) == pytest.approx(1.0)
    assert float((target.sum(0) * centres).sum()) == pytest.approx(0.3, abs=0.01)
    assert float((target.sum(1) * centres).sum()) == pytest.approx(-0.5, abs=0.01)


def test_unknown_points_in_space_cost_nothing() -> None:
    points = torch.zeros(1, 2, 4)
    target = torch.tensor([[[0.1, 0.0, 0.0], [float("nan")] * 3]])
    assert float(point_loss(points, target)) == pytest.approx(0.1)
    assert float(point_loss(points, target * float("nan"))) == 0.0
