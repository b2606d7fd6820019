"""Training that starts from a checkpoint of the public format: adapters, live images, augmentation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from kinevla.backbone.lora import lora_layers, trainable_parameters
from kinevla.checkpoint import load_checkpoint
from kinevla.data.episodes import EpisodeReader
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.export import plain_state
from kinevla.training.policy_run import prepare_run
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME

from .conftest import started, stop_policy_at, tiny_run, write_tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "openvla")


def base_run(workplace: Path, base: Path, out: Path, **changes: object) -> PolicyTrainConfig:
    """Settings of a short run with the paper's recipe on a tiny base."""
    recipe = {
        "base": base, "tuning": "lora", "lora_rank": 4, "schedule": "constant",
        "learning_rate": 5e-4, "warmup_steps": 0, "batch_size": 4, "max_steps": 2, "val_samples": 4,
    }  # fmt: skip
    return tiny_run(workplace, out, **(recipe | changes))


def test_only_adapters_and_own_parts_change_and_the_checkpoint_has_them_folded_in(
    workplace: Path, base: Path, tmp_path: Path
) -> None:
    config = base_run(workplace, base, tmp_path / "run")
    result = train_policy(config)
    assert result["step"] == 2
    state = torch.load(config.out / STATE_NAME, weights_only=True)["content"]["model"]
    assert any("lora_B" in name and value.any() for name, value in state.items())
    assert not any(name.startswith("language_model") and "lora" not in name for name in state)
    plain = load_checkpoint(config.out / "last").model
    assert next(lora_layers(plain), None) is None
    untouched = prepare_run(config).model
    name = "language_model.model.layers.0.mlp.down_proj"
    before = untouched.get_submodule(name).get_base_layer().weight
    after = plain.get_submodule(name).weight
    change = float((after.float() - before.float()).norm() / before.float().norm())
    assert 1e-4 < change < 0.2


def test_folded_weights_are_those_of_merging(workplace: Path, base: Path, tmp_path: Path) -> None:
    run = prepare_run(base_run(workplace, base, tmp_path / "run"))
    for name, value in trainable_parameters(run.model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    beside = {name: value.clone() for name, value in plain_state(run.model).items()}
    for layer in lora_layers(run.model):
        layer.merge(safe_merge=True)
    merged = {
        name.replace(".base_layer", ""): value
        for name, value in run.model.state_dict().items()
        if "lora_" not in name
    }
    assert set(merged) == set(beside)
    for name, value in merged.items():
        torch.testing.assert_close(beside[name], value, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_base_learns_a_handful_of_samples(workplace: Path, base: Path, tmp_path: Path, tuning: str) -> None:
    config = base_run(workplace, base, tmp_path / "run", tuning=tuning, coupling_weight=0.0, lora_rank=16,
                      variant_share=0.0)  # fmt: skip
    run = prepare_run(config)
    run.layout.data = dataclasses.replace(run.data, train=run.data.train[:4])
    stage = started(config, run)
    losses = [float(stage.step(number, rate=5e-3)["loss"]) for number in range(30)]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    towers = [p.grad is not None or p.requires_grad for p in run.model.vision_backbone.parameters()]
    assert any(towers) == (tuning == "lora")


def test_a_base_in_mixed_precision_keeps_frozen_weights_in_half(
    workplace: Path, base: Path, tmp_path: Path
) -> None:
    config = base_run(workplace, base, tmp_path / "run", precision="bf16", max_steps=1)
    model = prepare_run(config).model
    for name, parameter in model.named_parameters():
        public = name.startswith(("vision_backbone", "projector", "language_model")) and "lora" not in name
        assert parameter.dtype == (torch.bfloat16 if public else torch.float32), name
    assert np.isfinite(train_policy(config)["joint_l1_mrad"])


def test_a_base_run_is_resumed_to_the_same_weights(
    workplace: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, continued = (
        base_run(workplace, base, tmp_path / name, max_steps=3, save_every=1) for name in ("one", "two")
    )
    train_policy(straight)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_policy_at(patch, 2)
        train_policy(continued)
    train_policy(continued)
    weights = [
        torch.load(config.out / STATE_NAME, weights_only=True)["content"]["model"]
        for config in (straight, continued)
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_augmented_images_depend_on_the_seed_and_held_out_ones_are_cropped_to_the_centre(
    workplace: Path, base: Path, tmp_path: Path
) -> None:
    source = prepare_run(base_run(workplace, base, tmp_path / "run")).inputs
    rows = np.array([0, 30, 30])
    first, again = (source.read(rows, np.array([1, 2, 3])) for _ in range(2))
    assert first.shape == (3, 2, 28, 28, 3) and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first[1], first[2])
    plain = source.read(rows, None)
    assert torch.equal(plain[1], plain[2])
    whole = prepare_run(base_run(workplace, base, tmp_path / "run", image_augmentation=False)).inputs
    assert not torch.equal(plain, whole.read(rows, None))
    episode = EpisodeReader(workplace / "demos").read(2)  # Rows 24..35: episodes have 12 frames.
    image = PIL.Image.fromarray(episode.images("wrist")[6]).resize((28, 28), PIL.Image.Resampling.BICUBIC)
    assert np.array_equal(whole.read(rows, None)[1, 1], image)


def test_adapters_without_a_base_are_refused(workplace: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a base"):
        tiny_run(workplace, tmp_path / "run", tuning="lora")
