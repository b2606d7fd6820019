from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from kinevla.observation.augmentation import ImageAugmentation, augment, centre_crop

AREA = 0.9

STILL = {"brightness": 0.0, "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue": 0.0}


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_centre_crop_keeps_nine_tenths_of_the_area() -> None:
    ramp = torch.linspace(0, 255, 224).round().to(torch.uint8)
    image = ramp[None, :, None].expand(224, 224, 3).contiguous()
    cropped = centre_crop(image, AREA)
    assert cropped.shape == image.shape
    margin = (1 - 0.9**0.5) / 2
    assert int(cropped[0, 0, 0]) == pytest.approx(255 * margin, abs=1)
    assert int(cropped[0, -1, 0]) == pytest.approx(255 * (1 - margin), abs=1)
    assert torch.equal(centre_crop(image, 1.0), image)


def test_the_crop_samples_where_tensorflows_crop_and_resize_does() -> None:
    image = noise(20, 20)
    side = 0.9**0.5
    at = ((1 - side) / 2 + side * np.arange(20) / 19) * 19
    low = np.floor(at).astype(int)
    share = (at - low)[:, None, None]
    values = image.numpy() / 255.0
    rows = values[low] * (1 - share) + values[np.minimum(low + 1, 19)] * share
    columns = rows.transpose(1, 0, 2)
    expected = columns[low] * (1 - share) + columns[np.minimum(low + 1, 19)] * share
    found = centre_crop(image, AREA).numpy().astype(float)
    np.testing.assert_allclose(found, expected.transpose(1, 0, 2) * 255.5, atol=1.01)


def test_augmentation_is_repeatable_by_its_seed_and_differs_between_images() -> None:
    images = noise(32, 32).expand(4, 2, 32, 32, 3).contiguous()
    first = augment(images, AREA, ImageAugmentation(), generator(1))
    assert torch.equal(first, augment(images, AREA, ImageAugmentation(), generator(1)))
    assert not torch.equal(first, augment(images, AREA, ImageAugmentation(), generator(2)))
    assert not torch.equal(first[0, 0], first[0, 1]), "cameras are varied independently"
    assert first.shape == images.shape and first.dtype == torch.uint8


def test_without_strengths_nothing_changes() -> None:
    images = noise(3, 24, 24)
    assert torch.equal(augment(images, 1.0, ImageAugmentation(**STILL), generator()), images)


def test_training_crops_stay_inside_and_have_the_fixed_area() -> None:
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    images = ramp[None, None, :, None].expand(200, 64, 64, 3).contiguous()
    cropped = augment(images, AREA, ImageAugmentation(**STILL), generator()).float()
    width = cropped[:, 0, -1, 0] - cropped[:, 0, 0, 0]
    assert (width - 255 * 0.9**0.5).abs().max() <= 2
    left = cropped[:, 0, 0, 0]
    assert left.min() < 2 and left.max() > 255 * (1 - 0.9**0.5) - 2


def recolour(image: torch.Tensor, seed: int, **strength: object) -> torch.Tensor:
    config = ImageAugmentation(**(STILL | strength))  # type: ignore[arg-type]
    return augment(image[None], 1.0, config, generator(seed))[0].float()


def test_brightness_adds_up_to_a_fifth() -> None:
    grey = torch.full((8, 8, 3), 128, dtype=torch.uint8)
    shifts = [float(recolour(grey, seed, brightness=0.2)[0, 0, 0]) - 128 for seed in range(200)]
    assert -52 <= min(shifts) < -40 and 40 < max(shifts) <= 52


def test_contrast_scales_the_distance_from_the_mean() -> None:
    half = torch.full((8, 8, 3), 100, dtype=torch.uint8)
    half[:, 4:] = 150
    ratios = []
    for seed in range(100):
        result = recolour(half, seed, contrast=(0.8, 1.2))
        ratios.append(float(result[0, -1, 0] - result[0, 0, 0]) / 50)
        assert float(result.mean()) == pytest.approx(125, abs=1.5)
    assert 0.75 < min(ratios) < 0.85 and 1.15 < max(ratios) < 1.25


def test_saturation_and_hue_act_as_in_hsv() -> None:
    colour = torch.tensor([200, 120, 60], dtype=torch.uint8).expand(4, 4, 3).contiguous()
    hue, saturation, value = colorsys.rgb_to_hsv(200 / 255, 120 / 255, 60 / 255)
    turns, factors = [], []
    for seed in range(100):
        turned = colorsys.rgb_to_hsv(*(recolour(colour, seed, hue=0.05)[0, 0] / 255).tolist())
        assert turned[1:] == pytest.approx((saturation, value), abs=0.01)
        turns.append((turned[0] - hue + 0.5) % 1 - 0.5)
        scaled = colorsys.rgb_to_hsv(*(recolour(colour, seed, saturation=(0.8, 1.2))[0, 0] / 255).tolist())
        assert (scaled[0], scaled[2]) == pytest.approx((hue, value), abs=0.01)
        factors.append(scaled[1] / saturation)
    assert -0.055 < min(turns) < -0.04 and 0.04 < max(turns) < 0.055
    assert 0.79 < min(factors) < 0.85 and 1.15 < max(factors) < 1.21


def test_images_that_make_no_sense_are_refused() -> None:
    for bad in (noise(8, 8).float(), noise(8, 8)[..., :1], noise(0, 8)):
        with pytest.raises(ValueError, match="uint8"):
            centre_crop(bad, 0.9)
