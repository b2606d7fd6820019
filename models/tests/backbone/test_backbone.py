"""The network itself: what it sees, what it is told, and its decoder."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from kinevla.actions.robot import forward_kinematics
from kinevla.backbone.config import ModelConfig, ReadoutConfig, SightConfig, VitTowerConfig
from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.backbone.robot_features import ToolPose
from kinevla.configs import MODELS

TINY = MODELS.get("tiny")
SIGHT = TINY.vision
HIDDEN = TINY.decoder.hidden_size
SENTENCES = ("pick up the bread and move it to the left front", "put the carrot down")


@pytest.fixture(scope="module")
def model() -> KineVLAModel:
    torch.manual_seed(0)
    return KineVLAModel(TINY).eval().requires_grad_(False)


def images(count: int = 2, cameras: int = 2) -> torch.Tensor:
    shape = (count, cameras, 32, 32, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


WORDS = torch.tensor([[5, 6, 7]])


def look(model: KineVLAModel, seen: torch.Tensor, state: torch.Tensor) -> Seen:
    return model.observe(model.features(seen), state)


def test_what_is_seen_has_tokens_for_the_decoder_and_looks_for_the_readout(model: KineVLAModel) -> None:
    maps = model.features(images())
    assert [tuple(item.shape) for item in maps] == [(2, 2, 8, 8, 24), (2, 2, 4, 4, 40), (2, 2, 2, 2, 112)]
    seen = model.observe(maps, torch.zeros(2, 8))
    assert seen.tokens.shape == (2, SIGHT.tokens, HIDDEN)
    cells, values, robot = seen.looks
    assert cells.shape == (2, 2, 16, SIGHT.width)
    assert values.shape == (2, 2, 16, 2 + SIGHT.point_width)
    assert robot.shape == (2, 3 * 8 + 12)
    for level in (0, 1):
        assert model.read(WORDS.expand(2, -1), seen, level).motion.shape == (2, 5, 8)


def test_one_camera_is_possible() -> None:
    sight = dataclasses.replace(SIGHT, cameras=("front",))
    model = KineVLAModel(dataclasses.replace(TINY, vision=sight))
    seen = look(model, images(cameras=1), torch.zeros(2, 8))
    assert seen.tokens.shape == (2, SIGHT.tokens, HIDDEN)
    assert model.read(WORDS.expand(2, -1), seen, 1).motion.shape == (2, 5, 8)
    with pytest.raises(ValueError, match="one camera"):
        SightConfig(cameras=())


def test_a_robot_of_other_dimensions_needs_no_arm_model() -> None:
    sight = dataclasses.replace(SIGHT, robot="none")
    model = KineVLAModel(dataclasses.replace(TINY, vision=sight, state_dim=5))
    assert look(model, images(), torch.zeros(2, 5)).looks[2].shape == (2, 15)
    with pytest.raises(ValueError, match="7 joints"):
        KineVLAModel(dataclasses.replace(TINY, state_dim=5))


def test_both_cameras_and_the_state_reach_the_decoder_and_the_motion(model: KineVLAModel) -> None:
    state, seen = torch.zeros(1, 8), images(1)
    base = look(model, seen, state)
    changed = []
    for camera in (0, 1):
        other = seen.clone()
        other[:, camera] = 255 - other[:, camera]
        changed.append(look(model, other, state))
    changed.append(look(model, seen, torch.full((1, 8), 0.1)))
    for other in changed:
        assert not torch.allclose(base.tokens, other.tokens)
        assert not torch.allclose(model.read(WORDS, base, 1).motion, model.read(WORDS, other, 1).motion)


def test_the_rows_beside_it_never_change_what_is_seen(model: KineVLAModel) -> None:
    together = look(model, images(3), torch.zeros(3, 8))
    alone = look(model, images(3)[1:2], torch.zeros(1, 8))
    torch.testing.assert_close(together.tokens[1:2], alone.tokens, atol=1e-5, rtol=1e-4)


def test_wrong_image_size_type_or_number_of_cameras_is_refused(model: KineVLAModel) -> None:
    for bad in (images()[:, :1], images().float(), images()[:, :, :16]):
        with pytest.raises(ValueError, match=r"uint8 \(B, 2, 32, 32, 3\)"):
            model.features(bad)


def test_instructions_are_read_token_by_token_whatever_stands_beside_them(model: KineVLAModel) -> None:
    bread, carrot = model.told(SENTENCES)
    assert bread.shape[1] == carrot.shape[1] == HIDDEN and len(bread) > len(carrot) >= 4
    torch.testing.assert_close(model.told(SENTENCES[1:])[0], carrot, atol=1e-4, rtol=1e-3)
    (right,) = model.told([SENTENCES[0].replace("left", "right")])
    assert right.shape == bread.shape and not torch.allclose(right, bread, atol=1e-2)


def test_the_tool_pose_in_the_network_is_the_arms_forward_kinematics() -> None:
    joints = np.random.default_rng(0).uniform(-2, 2, (6, 7))
    position, rotation = ToolPose()(torch.tensor(joints, dtype=torch.float32))
    expected = forward_kinematics(joints)
    np.testing.assert_allclose(position.numpy(), expected[:, :3, 3], atol=1e-5)
    np.testing.assert_allclose(rotation.numpy(), expected[:, :3, :3], atol=1e-5)


def test_decoding_with_a_cache_equals_decoding_at_once(model: KineVLAModel) -> None:
    embeddings = torch.randn(1, 9, HIDDEN, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = model.hidden_states(embeddings)
        cache = DynamicCache()
        parts = [model.hidden_states(embeddings[:, a:b], cache) for a, b in ((0, 4), (4, 5), (5, 9))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)


def test_padding_on_the_right_changes_nothing_before_it(model: KineVLAModel) -> None:
    embeddings = torch.randn(1, 9, HIDDEN, generator=torch.Generator().manual_seed(3))
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
    config = ModelConfig(readout=ReadoutConfig(queries=3))
    values = json.loads(json.dumps(config.to_dict()))
    assert ModelConfig.from_dict(values) == config
    del values["readout"]
    assert ModelConfig.from_dict(values).readout is None
    values["decoder"]["colour"] = 1
    with pytest.raises(ValueError, match="DecoderConfig has no setting colour"):
        ModelConfig.from_dict(values)
    with pytest.raises(ValueError, match="normalisation 'grey'"):
        VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32, normalisation="grey")


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16 and at least 32, got 40"):
        SightConfig(image_size=40)
    with pytest.raises(ValueError, match="points must be at least 1, got 0"):
        SightConfig(points=0)
    with pytest.raises(ValueError, match="robot must be 'rm75' or 'none', got 'ur5'"):
        SightConfig(robot="ur5")
    with pytest.raises(ValueError, match=r"readout\.queries must be at least 1, got 0"):
        ReadoutConfig(queries=0)
    with pytest.raises(ValueError, match="towers have none"):
        dataclasses.replace(MODELS.get("7b"), readout=ReadoutConfig())


def test_the_shipped_network_has_fewer_than_twelve_million_weights_and_none_of_the_pretrained_parts() -> None:
    model = KineVLAModel(MODELS.get("nano"))
    assert sum(parameter.numel() for parameter in model.parameters()) < 12e6
    parts = {name.split(".")[0] for name in model.state_dict()} - {"state_offset", "state_scale"}
    assert parts == {
        "sight", "observation", "instruction", "readout", "language_model",
        "coupling_reasoning", "coupling_action", "phrases",
    }  # fmt: skip
