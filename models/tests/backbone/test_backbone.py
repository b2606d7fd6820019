from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from kinevla.actions.robot import forward_kinematics
from kinevla.backbone import (
    DecoderConfig,
    GeometryConfig,
    KineVLAModel,
    ModelConfig,
    TowerConfig,
    VisionConfig,
)
from kinevla.backbone.conv_tower import ConvTower
from kinevla.backbone.geometry import ToolPose

TOWER = TowerConfig(widths=(4, 4, 4, 4))
TINY = ModelConfig(
    vision=VisionConfig(image_size=32, patch_grid=2, featurizer=TOWER, fused_featurizer=TOWER),
    geometry=GeometryConfig(width=16, blocks=1, tokens=3, lifter_width=8),
    decoder=DecoderConfig(hidden_size=32, layers=2, heads=2, intermediate_size=64),
    vocabulary_size=128,
)


@pytest.fixture(scope="module")
def model() -> KineVLAModel:
    torch.manual_seed(0)
    return KineVLAModel(TINY).eval()


def images(count: int = 2) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 2, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def test_observation_tokens_are_patches_keypoints_geometry_and_state(model: KineVLAModel) -> None:
    state = torch.zeros(2, 8)
    features = model.vision_backbone(images(), state)
    assert features.patches.shape == (2, 2, 4, 8)
    assert features.keypoints.shape == (2, 2, 2, 5, 3)
    assert features.points.shape == (2, 5, 4)
    assert model.observe(features, state).shape == (2, 2 * 4 + 2 * 5 + 3 + 1, 32)


def test_one_camera_and_no_geometry_tokens_are_possible() -> None:
    vision = VisionConfig(
        image_size=32,
        cameras=("front",),
        patch_grid=2,
        featurizer=TOWER,
        fused_featurizer=TOWER,
    )
    geometry = GeometryConfig(blocks=1, tokens=0, lifter_width=8)
    model = KineVLAModel(ModelConfig(vision=vision, geometry=geometry, decoder=TINY.decoder)).eval()
    features = model.vision_backbone(images()[:, :1], torch.zeros(2, 8))
    assert model.observe(features, torch.zeros(2, 8)).shape == (2, 4 + 5 + 1, 32)
    with pytest.raises(ValueError, match="one keypoint"):
        VisionConfig(keypoints=())


def test_a_robot_of_other_dimensions_needs_no_arm_model() -> None:
    geometry = GeometryConfig(width=16, blocks=1, tokens=1, lifter_width=8, robot="none")
    model = KineVLAModel(ModelConfig(TINY.vision, geometry, TINY.decoder, 128, state_dim=5)).eval()
    features = model.vision_backbone(images(), torch.zeros(2, 5))
    assert model.observe(features, torch.zeros(2, 5)).shape[1] == 8 + 10 + 1 + 1
    with pytest.raises(ValueError, match="7 joints"):
        KineVLAModel(ModelConfig(TINY.vision, TINY.geometry, TINY.decoder, 128, state_dim=5))


def test_both_cameras_and_the_state_reach_the_decoder(model: KineVLAModel) -> None:
    state = torch.zeros(1, 8)
    seen = images(1)
    base = model.observe(model.vision_backbone(seen, state), state)
    for camera in (0, 1):
        other = seen.clone()
        other[:, camera] = 255 - other[:, camera]
        assert not torch.allclose(base, model.observe(model.vision_backbone(other, state), state))
    moved = torch.full((1, 8), 0.1)
    assert not torch.allclose(base, model.observe(model.vision_backbone(seen, moved), moved))


def test_wrong_image_size_type_or_number_of_cameras_is_refused(model: KineVLAModel) -> None:
    state = torch.zeros(2, 8)
    for bad in (images()[:, :1], images().float(), images()[:, :, :16]):
        with pytest.raises(ValueError, match=r"uint8 \(B, 2, 32, 32, 3\)"):
            model.vision_backbone(bad, state)


def test_the_two_towers_see_differently_normalised_images() -> None:
    config = ModelConfig().vision
    tower = ConvTower(config.featurizer, 32, 2, 5)
    fused = ConvTower(config.fused_featurizer, 32, 2, 5)
    assert tower.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert fused.mean.flatten().tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_soft_argmax_reads_a_peak_where_it_is() -> None:
    tower = ConvTower(TOWER, 32, 1, 1).eval()
    with torch.no_grad():
        for parameter in tower.heatmap_head.parameters():
            parameter.zero_()
        output = tower(torch.rand(1, 3, 32, 32), torch.zeros(1, dtype=torch.long))
    assert output.points.abs().max() < 1e-5, "a flat heatmap points at the middle of the image"
    # Cell 2 of 8 covers pixels 8..11 of 32: its centre is 10 of 32 pixels from the edge.
    assert float(tower.cell_centres[2]) == pytest.approx(10 / 32 * 2 - 1)


def test_the_tool_pose_in_the_network_is_the_arms_forward_kinematics() -> None:
    joints = np.random.default_rng(0).uniform(-2, 2, (6, 7))
    position, rotation = ToolPose()(torch.tensor(joints, dtype=torch.float32))
    expected = forward_kinematics(joints)
    np.testing.assert_allclose(position.numpy(), expected[:, :3, 3], atol=1e-5)
    np.testing.assert_allclose(rotation.numpy(), expected[:, :3, :3], atol=1e-5)


def test_decoding_with_a_cache_equals_decoding_at_once(model: KineVLAModel) -> None:
    embeddings = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = model.hidden_states(embeddings)
        cache = DynamicCache()
        parts = [model.hidden_states(embeddings[:, a:b], cache) for a, b in ((0, 4), (4, 5), (5, 9))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)


def test_padding_on_the_right_changes_nothing_before_it(model: KineVLAModel) -> None:
    embeddings = torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(
            model.hidden_states(embeddings)[:, :6],
            model.hidden_states(embeddings[:, :6]),
            atol=1e-5,
            rtol=1e-4,
        )


def test_a_state_dimension_that_never_moved_normalises_to_zero() -> None:
    model = KineVLAModel(TINY)
    low, high = torch.zeros(8), torch.full((8,), 2.0)
    high[3] = 0.0
    model.set_state_range(low, high)
    normalised = model.normalise_state(torch.tensor([[2.0, 0.0, 1.0, 7.0, 0.0, 0.0, 0.0, 0.0]]))
    assert normalised[0, :4].tolist() == [1.0, -1.0, 0.0, 0.0]


def test_a_configuration_survives_json_and_unknown_settings_are_named() -> None:
    values = json.loads(json.dumps(ModelConfig().to_dict()))
    assert ModelConfig.from_dict(values) == ModelConfig()
    values["decoder"]["colour"] = 1
    with pytest.raises(ValueError, match="DecoderConfig has no setting colour"):
        ModelConfig.from_dict(values)
    with pytest.raises(ValueError, match="normalisation 'grey'"):
        TowerConfig(normalisation="grey")


def test_weight_names_follow_the_public_layout(model: KineVLAModel) -> None:
    names = set(model.state_dict())
    for name in (
        "projector.fc1.weight",
        "projector.fc3.bias",
        "language_model.model.embed_tokens.weight",
        "language_model.model.layers.0.self_attn.q_proj.weight",
        "language_model.model.layers.1.mlp.down_proj.weight",
        "language_model.model.norm.weight",
        "language_model.lm_head.weight",
    ):
        assert name in names
    assert any(name.startswith("vision_backbone.fused_featurizer.") for name in names)


def test_the_nano_model_has_fewer_than_ten_million_weights() -> None:
    count = sum(parameter.numel() for parameter in KineVLAModel(ModelConfig()).parameters())
    assert count < 10e6
