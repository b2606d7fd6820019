"""A stored frame reaches the network in training, in validation and through `plan` as the same bits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kinevla.backbone.image_features import ImageFeatures
from kinevla.backbone.vit_tower import VisionBackbone
from kinevla.checkpoint import load_checkpoint
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.observation.images import ImagePipeline, PipelineError
from kinevla.policy import KineVLAPolicy, Observation
from kinevla.training.policy_run import prepare_run
from kinevla.training.stages.policy import train_policy
from kinevla.training.validation import validate

from .conftest import SIZE, make_episode, tiny_run, write_tiny_base


@pytest.fixture(params=["small", "base"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_validation_and_plan_show_the_network_the_same_image(
    kind: str, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Features are computed here and now, without the changes of the light that training frames undergo.
    (tmp_path / "feature_cache").mkdir()
    changes: dict[str, object] = {"max_steps": 1, "light": None}
    if kind == "base":
        changes |= {
            "base": write_tiny_base(tmp_path / "base"),
            "tuning": "lora",
            "lora_rank": 2,
        }
    config = tiny_run(workplace, tmp_path / "run", **changes)
    shown: list[torch.Tensor] = []
    encoder = VisionBackbone if kind == "base" else ImageFeatures
    forward = encoder.forward

    def catch(self: nn.Module, images: torch.Tensor) -> object:
        shown.append(images)
        return forward(self, images)

    monkeypatch.setattr(encoder, "forward", catch)
    train_policy(config)
    run = prepare_run(dataclasses.replace(config, out=tmp_path / "second" / "run"))
    episode = EpisodeReader(workplace / "demos").read(0)
    if kind == "base":
        shown.clear()
        validate(run, np.array([5]))
    # The small network saw every frame once, in their order.
    validated = shown[0][0] if kind == "base" else shown[5][0]
    policy = KineVLAPolicy.load(config.out / "last")
    assert load_checkpoint(config.out / "last").images == run.images
    shown.clear()
    front, wrist = (episode.images(camera)[5] for camera in ("front", "wrist"))
    policy.plan(Observation(front, wrist, episode.state[5]), episode.instruction)
    assert torch.equal(shown[0][0], validated)
    if kind == "base":
        assert run.images == ImagePipeline(28, stored_px=SIZE, interpolation="bicubic", crop_area=0.9)
    else:
        assert run.images == ImagePipeline(SIZE, stored_px=SIZE)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (ImagePipeline(16), f"16 x 16 pixels, the network needs at least {SIZE} x {SIZE}"),
        (ImagePipeline(SIZE, square="stretch"), "square = 'stretch'"),
    ],
)
def test_training_on_images_made_otherwise_is_refused(
    workplace: Path, tmp_path: Path, images: ImagePipeline, told: str
) -> None:
    writer = EpisodeWriter(tmp_path / "demos", {"made": "up"}, images)
    writer.images = ImagePipeline(SIZE)  # the check of the size is not what is tested here
    for seed in range(3):
        writer.add(make_episode(1, seed))
    with pytest.raises(PipelineError, match=told):
        prepare_run(tiny_run(workplace, tmp_path / "run", data=tmp_path / "demos"))
