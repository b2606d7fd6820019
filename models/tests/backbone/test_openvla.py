from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kinevla.backbone.config import DecoderConfig, ModelConfig, TowersConfig, VitTowerConfig
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla_format import openvla_config
from kinevla.configs import MODELS

OWN = ("observation.", "coupling_", "state_")


@pytest.fixture(scope="module")
def full_size() -> KineVLAModel:
    """The full-size network, built without memory."""
    with torch.device("meta"):
        return KineVLAModel(openvla_config(), pad_id=32000)


def test_the_full_size_network_has_exactly_the_public_tensors(full_size: KineVLAModel) -> None:
    listed = json.loads(Path(__file__).with_name("openvla_7b_names.json").read_text())
    found = {name: list(value.shape) for name, value in full_size.state_dict().items()}
    assert {name: shape for name, shape in found.items() if not name.startswith(OWN)} == listed


def test_the_list_of_public_tensors_follows_from_the_rules_and_has_the_published_totals(
    rules: SimpleNamespace,
) -> None:
    listed = json.loads(Path(__file__).with_name("openvla_7b_names.json").read_text())
    assert rules.openvla() == listed
    parts = Counter(name.split(".")[0] for name in listed)
    assert parts == {"vision_backbone": 685, "projector": 6, "language_model": 291}
    weights = sum(math.prod(shape) for shape in listed.values())
    # Parameters as the model hub counts them; twice that is `total_size` in the published index (bfloat16).
    assert weights == 7_541_237_184 and 2 * weights == 15_082_474_368


def test_without_extras_the_observation_has_no_weights_of_its_own() -> None:
    with torch.device("meta"):
        model = KineVLAModel(openvla_config(("front",), state_token=False))
    assert not list(model.observation.parameters())


def test_the_small_and_the_full_model_share_decoder_and_coupling(full_size: KineVLAModel) -> None:
    with torch.device("meta"):
        nano = KineVLAModel(MODELS.get("nano"))
    for name in ("language_model.model.layers.2.mlp.up_proj.weight", "coupling_action.bias"):
        assert name in nano.state_dict() and name in full_size.state_dict()
    assert type(nano) is type(full_size)
    count = sum(parameter.numel() for parameter in nano.parameters())
    assert count < 12e6 < sum(parameter.numel() for parameter in full_size.parameters())


def small(cameras: tuple[str, ...] = ("front",)) -> ModelConfig:
    """The full-size layout with small numbers."""
    config = openvla_config(cameras)
    towers = [
        dataclasses.replace(tower, width=16, depth=3, heads=2, mlp_hidden=32)
        for tower in (config.vision.featurizer, config.vision.fused_featurizer)
    ]
    vision = dataclasses.replace(
        config.vision, image_size=56, featurizer=towers[0], fused_featurizer=towers[1]
    )
    decoder = DecoderConfig(hidden_size=32, layers=1, heads=2, intermediate_size=48)
    return dataclasses.replace(config, vision=vision, decoder=decoder, vocabulary_size=64)


def test_two_cameras_give_twice_the_patch_tokens() -> None:
    for cameras in (("front",), ("front", "wrist")):
        model = KineVLAModel(small(cameras)).eval()
        images = torch.zeros(1, len(cameras), 56, 56, 3, dtype=torch.uint8)
        with torch.no_grad():
            features = model.features(images)
            tokens = model.observe(features, torch.zeros(1, 8)).tokens
        assert tokens.shape == (1, 16 * len(cameras) + 1, 32)


def test_patch_features_do_not_depend_on_the_last_block() -> None:
    torch.manual_seed(0)
    model = KineVLAModel(small()).eval()
    images = torch.randint(0, 256, (1, 1, 56, 56, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = model.features(images)[0]
        tower = model.vision_backbone.featurizer
        tower.blocks[2].mlp.fc2.bias.add_(1.0)
        tower.blocks[2].ls2.scale_factor.fill_(1.0)
        assert torch.equal(before, model.features(images)[0])
        tower.blocks[1].ls2.scale_factor.fill_(1.0)
        tower.blocks[1].mlp.fc2.bias.add_(1.0)
        assert not torch.equal(before, model.features(images)[0])


def test_the_full_size_configuration_survives_json() -> None:
    config = openvla_config()
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_impossible_towers_are_refused() -> None:
    vit = VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32)
    wider = VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32, patch_size=16)
    with pytest.raises(ValueError, match="multiple of 14"):
        TowersConfig(64, ("front",), vit, vit)
    with pytest.raises(ValueError, match="one patch size, got 14 and 16"):
        TowersConfig(112, ("front",), vit, wider)
    with pytest.raises(ValueError, match="one camera"):
        TowersConfig(56, (), vit, vit)
    with pytest.raises(ValueError, match="multiple of 3 heads"):
        VitTowerConfig(width=16, depth=2, heads=3, mlp_hidden=32)
    with pytest.raises(ValueError, match="std must be positive"):
        VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32, std=(0.2, 0.0, 0.2))
