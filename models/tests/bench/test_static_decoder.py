from __future__ import annotations

import pytest
import torch

from kinevla.backbone.model import KineVLAModel
from kinevla.bench.static_decoder import StaticDecoder
from kinevla.configs.models import MODELS
from kinevla.generation.decoder import CachedDecoder


@pytest.fixture(scope="module")
def model() -> KineVLAModel:
    torch.manual_seed(0)
    return KineVLAModel(MODELS.get("tiny")).eval()


def test_fixed_shapes_give_the_states_of_the_growing_cache(model: KineVLAModel) -> None:
    growing, fixed = CachedDecoder(model), StaticDecoder(model, 128, (1, 4, 8))
    with torch.inference_mode():
        # Lengths on, between and above the buckets, each followed by cutting back rejected ids.
        for count, rejected in ((40, 0), (1, 0), (3, 2), (6, 5), (4, 0), (20, 3), (1, 0)):
            step = torch.randn(count, 64)
            torch.testing.assert_close(fixed.extend(step), growing.extend(step), rtol=1e-4, atol=1e-5)
            for decoder in (growing, fixed):
                decoder.crop(decoder.length - rejected)
    assert fixed.length == growing.length


def test_a_second_sequence_sees_nothing_of_the_first(model: KineVLAModel) -> None:
    decoder = StaticDecoder(model, 64, (4,))
    step = torch.randn(5, 64)
    with torch.inference_mode():
        first = decoder.extend(step).clone()
        decoder.extend(torch.randn(30, 64))
        decoder.reset()
        torch.testing.assert_close(decoder.extend(step), first)
        assert decoder.extend(step, wanted=2).shape == (2, 64)


def test_padding_that_does_not_fit_at_the_end_is_left_out(model: KineVLAModel) -> None:
    growing, fixed = CachedDecoder(model), StaticDecoder(model, 16, (8,))
    with torch.inference_mode():
        for count in (14, 2):
            step = torch.randn(count, 64)
            torch.testing.assert_close(fixed.extend(step), growing.extend(step), rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="17 positions exceeds the window of 16"):
            fixed.extend(torch.randn(1, 64))


def test_settings_that_cannot_work_are_refused(model: KineVLAModel) -> None:
    with pytest.raises(ValueError, match="need a network on a GPU"):
        StaticDecoder(model, 64, graphs=True)
    with pytest.raises(ValueError, match="within the decoder's 512 positions, got 600"):
        StaticDecoder(model, 600)
    with pytest.raises(ValueError, match="largest bucket 64"):
        StaticDecoder(model, 64)
