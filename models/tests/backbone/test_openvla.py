from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kinevla.backbone import (
    DecoderConfig,
    KineVLAModel,
    ModelConfig,
    PublicWeightsError,
    VisionConfig,
    VitTowerConfig,
    load_public_weights,
    openvla_config,
)


@pytest.fixture(scope="module")
def full_size() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the full-size network, built without memory."""
    with torch.device("meta"):
        model = KineVLAModel(openvla_config(), pad_id=32000)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vision_backbone.featurizer.cls_token", (1, 1, 1024)),
        ("vision_backbone.featurizer.reg_token", (1, 4, 1024)),
        ("vision_backbone.featurizer.pos_embed", (1, 256, 1024)),
        ("vision_backbone.featurizer.patch_embed.proj.weight", (1024, 3, 14, 14)),
        ("vision_backbone.featurizer.blocks.23.attn.qkv.weight", (3072, 1024)),
        ("vision_backbone.featurizer.blocks.0.ls1.scale_factor", (1024,)),
        ("vision_backbone.featurizer.blocks.0.mlp.fc1.bias", (4096,)),
        ("vision_backbone.fused_featurizer.pos_embed", (1, 256, 1152)),
        ("vision_backbone.fused_featurizer.blocks.26.mlp.fc2.weight", (1152, 4304)),
        ("vision_backbone.fused_featurizer.attn_pool.kv.weight", (2304, 1152)),
        ("vision_backbone.fused_featurizer.attn_pool.latent", (1, 1, 1152)),
        ("projector.fc1.weight", (8704, 2176)),
        ("projector.fc2.weight", (4096, 8704)),
        ("projector.fc3.weight", (4096, 4096)),
        ("language_model.model.embed_tokens.weight", (32064, 4096)),
        ("language_model.model.layers.31.mlp.gate_proj.weight", (11008, 4096)),
        ("language_model.lm_head.weight", (32064, 4096)),
    ],
)
def test_the_full_size_network_has_the_public_tensors(
    full_size: dict[str, tuple[int, ...]], name: str, shape: tuple[int, ...]
) -> None:
    assert full_size[name] == shape


def test_the_full_size_network_has_no_other_tensors_in_the_public_parts(
    full_size: dict[str, tuple[int, ...]],
) -> None:
    parts = (
        "vision_backbone.featurizer.",
        "vision_backbone.fused_featurizer.",
        "projector.",
        "language_model.",
    )
    own = [name for name in full_size if not name.startswith(parts)]
    assert own and all(name.startswith(("observation.state", "coupling_", "state_")) for name in own)
    siglip = [name for name in full_size if "fused_featurizer.blocks.0." in name]
    assert not any("ls1" in name for name in siglip)


def small(cameras: tuple[str, ...] = ("front",)) -> ModelConfig:
    """The full-size layout with small numbers."""
    config = openvla_config(cameras)
    towers = [
        dataclasses.replace(tower, width=16, depth=3, heads=2, mlp_hidden=32)
        for tower in (config.vision.featurizer, config.vision.fused_featurizer)
    ]
    vision = dataclasses.replace(
        config.vision, image_size=56, patch_grid=4, featurizer=towers[0], fused_featurizer=towers[1]
    )
    decoder = DecoderConfig(hidden_size=32, layers=1, heads=2, intermediate_size=48)
    return dataclasses.replace(config, vision=vision, decoder=decoder, vocabulary_size=64)


def write_shards(directory: Path, tensors: dict[str, torch.Tensor]) -> None:
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, members in shards.items():
        save_file({name: tensors[name].contiguous() for name in members}, directory / file)
    weight_map = {name: file for file, members in shards.items() for name in members}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def public_part(model: KineVLAModel) -> dict[str, torch.Tensor]:
    own = ("observation.", "coupling_", "state_")
    return {name: value for name, value in model.state_dict().items() if not name.startswith(own)}


def test_sharded_public_weights_load_unchanged(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, target = KineVLAModel(small()), KineVLAModel(small())
    write_shards(tmp_path, public_part(source))
    left = load_public_weights(target, tmp_path)
    assert all(name.startswith(("observation.", "coupling_", "state_")) for name in left)
    for name, value in public_part(source).items():
        assert torch.equal(value, target.state_dict()[name]), name


def test_missing_unknown_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    model = KineVLAModel(small())
    tensors = public_part(model)
    with pytest.raises(PublicWeightsError, match="index"):
        load_public_weights(model, tmp_path)
    write_shards(tmp_path, {k: v for k, v in tensors.items() if k != "projector.fc1.weight"})
    with pytest.raises(PublicWeightsError, match=r"lacks projector\.fc1\.weight"):
        load_public_weights(model, tmp_path)
    write_shards(tmp_path, tensors | {"projector.fc9.weight": torch.zeros(1)})
    with pytest.raises(PublicWeightsError, match=r"does not know: projector\.fc9\.weight"):
        load_public_weights(model, tmp_path)
    write_shards(tmp_path, tensors | {"projector.fc1.bias": torch.zeros(3)})
    with pytest.raises(PublicWeightsError, match=r"projector\.fc1\.bias has shape \(3,\)"):
        load_public_weights(model, tmp_path)


def test_two_cameras_give_twice_the_patch_tokens() -> None:
    for cameras in (("front",), ("front", "wrist")):
        model = KineVLAModel(small(cameras)).eval()
        images = torch.zeros(1, len(cameras), 56, 56, 3, dtype=torch.uint8)
        with torch.no_grad():
            features = model.vision_backbone(images, torch.zeros(1, 8))
            tokens = model.observe(features, torch.zeros(1, 8))
        assert tokens.shape == (1, 16 * len(cameras) + 1, 32)


def test_patch_features_do_not_depend_on_the_last_block() -> None:
    torch.manual_seed(0)
    model = KineVLAModel(small()).eval()
    images = torch.randint(0, 256, (1, 1, 56, 56, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = model.vision_backbone(images, torch.zeros(1, 8)).patches
        tower = model.vision_backbone.featurizer
        tower.blocks[2].mlp.fc2.bias.add_(1.0)
        tower.blocks[2].ls2.scale_factor.fill_(1.0)
        assert torch.equal(before, model.vision_backbone(images, torch.zeros(1, 8)).patches)
        tower.blocks[1].ls2.scale_factor.fill_(1.0)
        tower.blocks[1].mlp.fc2.bias.add_(1.0)
        assert not torch.equal(before, model.vision_backbone(images, torch.zeros(1, 8)).patches)


def test_the_full_size_configuration_survives_json() -> None:
    config = openvla_config()
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_impossible_towers_are_refused() -> None:
    vit = VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32)
    with pytest.raises(ValueError, match="ViT towers find none"):
        VisionConfig(image_size=56, featurizer=vit, fused_featurizer=vit)
    with pytest.raises(ValueError, match="multiple of 14"):
        VisionConfig(image_size=64, keypoints=(), featurizer=vit, fused_featurizer=vit)
    with pytest.raises(ValueError, match="multiple of 3 heads"):
        VitTowerConfig(width=16, depth=2, heads=3, mlp_hidden=32)
