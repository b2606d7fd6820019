from __future__ import annotations

import copy

import pytest
import torch

from kinevla.backbone.conv_tower import ConvTower
from kinevla.backbone.inference import prepare_for_inference
from kinevla.backbone.model import KineVLAModel
from kinevla.configs.models import MODELS


@pytest.fixture(scope="module")
def model() -> KineVLAModel:
    torch.manual_seed(0)
    model = KineVLAModel(MODELS.get("tiny"))
    # Batch norms as after training: statistics, factors and offsets that are not the initial ones.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    return model.eval()


def _look(model: KineVLAModel) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, 2, 32, 32, 3), dtype=torch.uint8, generator=generator)
    state = torch.rand(3, 8, generator=generator)
    with torch.inference_mode():
        features = model.vision_backbone(images, state)
        return (
            features.patches, features.keypoints, features.local, features.points,
            model.observe(features, state),
        )  # fmt: skip


def test_a_prepared_network_sees_the_same(model: KineVLAModel) -> None:
    prepared = prepare_for_inference(copy.deepcopy(model))
    for before, after in zip(_look(model), _look(prepared), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_nothing_is_left_of_the_batch_norms_and_a_second_call_changes_nothing(model: KineVLAModel) -> None:
    prepared = prepare_for_inference(copy.deepcopy(model))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in prepared.modules())
    once = _look(prepared)
    for before, after in zip(once, _look(prepare_for_inference(prepared)), strict=True):
        assert torch.equal(before, after)


def test_image_borders_are_exact_although_padding_stands_after_normalisation(model: KineVLAModel) -> None:
    tower = model.vision_backbone.featurizer
    assert isinstance(tower, ConvTower)
    folded = copy.deepcopy(tower)
    folded.fold()
    images, camera = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    with torch.inference_mode():
        before, after = tower(images, camera).patches, folded(images, camera).patches
    torch.testing.assert_close(after[..., 0, :], before[..., 0, :], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after[..., :, -1], before[..., :, -1], rtol=1e-4, atol=1e-4)


def test_towers_in_half_precision_stay_close_and_hand_on_single_precision(model: KineVLAModel) -> None:
    prepared = prepare_for_inference(copy.deepcopy(model), torch.bfloat16)
    exact, rough = _look(model), _look(prepared)
    assert all(value.dtype == torch.float32 for value in rough)
    torch.testing.assert_close(rough[1][..., :2], exact[1][..., :2], rtol=0.0, atol=0.02)
    assert not torch.equal(rough[0], exact[0])


def test_what_cannot_be_folded_is_refused(model: KineVLAModel) -> None:
    tower = copy.deepcopy(model.vision_backbone.featurizer)
    assert isinstance(tower, ConvTower)
    tower.train()
    with pytest.raises(ValueError, match="evaluation mode"):
        tower.fold()
    tower.eval()
    tower.fold()
    with pytest.raises(ValueError, match="only once"):
        tower.fold()
    with pytest.raises(ValueError, match="float16"):
        prepare_for_inference(copy.deepcopy(model), torch.float16)
