"""What training does to images beyond their pipeline, and the crop that stands for it at run time.

As in OpenVLA's public pipeline: crop of a share of the area at a random place, blown up again, then
brightness, contrast, saturation, hue, each clipped to 0..1. A network trained on random crops is run on the
central one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_GREY_FLOOR = 1e-8


@dataclass(frozen=True)
class ImageAugmentation:
    """Training augmentation; the defaults are those of OpenVLA's fine-tuning."""

    brightness: float = 0.2  # a number from -b .. b is added to all channels of an image in 0..1
    contrast: tuple[float, float] = (0.8, 1.2)  # bounds of the factor on the distance to the channel's mean
    saturation: tuple[float, float] = (0.8, 1.2)  # bounds of the factor on the HSV saturation
    hue: float = 0.05  # the hue is turned by -h .. h full turns


def centre_crop(images: Tensor, area: float) -> Tensor:
    """Keep the central part of the area and blow it up to the old size, as for a policy trained on crops.

    Args:
        images: (..., H, W, 3) uint8 RGB.
        area: share that is kept, 0 < area <= 1; each side keeps its root.

    Raises:
        ValueError: another type or shape.
    """
    _check(images)
    if area == 1.0:
        return images
    flat = _channels_first(images).float() / 255.0
    middle = torch.full((len(flat), 2), (1.0 - area**0.5) / 2.0, device=images.device)
    return _to_uint8(_crop(flat, area, middle), images.shape[:-3])


def augment(
    images: Tensor, crop_area: float, config: ImageAugmentation, generator: torch.Generator
) -> Tensor:
    """Crop and recolour every image on its own.

    Args:
        images: (..., H, W, 3) uint8 RGB, of the model's size already.
        crop_area: share of the area that a crop at a random place keeps, 0 < crop_area <= 1.
        generator: source of randomness, on the CPU; the same state gives the same images.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: another type or shape.
    """
    _check(images)
    flat = _channels_first(images).float() / 255.0
    count = len(flat)

    def drawn(low: float, high: float) -> Tensor:
        values = torch.rand(count, generator=generator) * (high - low) + low
        return values.to(images.device).view(-1, 1, 1, 1)

    room = 1.0 - crop_area**0.5
    corner = torch.rand(count, 2, generator=generator).to(images.device) * room
    x = _crop(flat, crop_area, corner).clamp(0.0, 1.0)
    x = (x + drawn(-config.brightness, config.brightness)).clamp(0.0, 1.0)
    mean = x.mean((2, 3), keepdim=True)
    x = (mean + (x - mean) * drawn(*config.contrast)).clamp(0.0, 1.0)
    x = _saturate(x, drawn(*config.saturation))
    x = _turn_hue(x, drawn(-config.hue, config.hue))
    return _to_uint8(x.clamp(0.0, 1.0), images.shape[:-3])


def _check(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim < 3 or images.shape[-1] != 3 or 0 in images.shape:
        raise ValueError(f"images must be uint8 (..., H, W, 3), got {images.dtype} {tuple(images.shape)}")


def _channels_first(images: Tensor) -> Tensor:
    return images.reshape(-1, *images.shape[-3:]).permute(0, 3, 1, 2)


def _channels_last(images: Tensor, leading: torch.Size) -> Tensor:
    return images.permute(0, 2, 3, 1).reshape(*leading, *images.shape[-2:], 3).contiguous()


def _to_uint8(images: Tensor, leading: torch.Size) -> Tensor:
    # Times 255.5, then cut off: TensorFlow's conversion, which the public pipeline uses.
    return _channels_last((images * 255.5).clamp(0.0, 255.0).to(torch.uint8), leading)


def _crop(images: Tensor, area: float, corner: Tensor) -> Tensor:
    """Cut squares of a share of the area with the given upper left corners (M, 2: x, y) and blow them up.

    Bilinear between the centres of the outermost pixels that the cut names, as TensorFlow's crop_and_resize.
    """
    if area == 1.0:
        return images
    side = area**0.5
    theta = images.new_zeros(len(images), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, :, 2] = 2.0 * corner + side - 1.0
    grid = F.affine_grid(theta, list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, align_corners=True, padding_mode="border")


def _saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the HSV saturation, which keeps value and hue: channels move towards or away from the largest."""
    value = images.amax(1, keepdim=True)
    spread = value - images.amin(1, keepdim=True)
    saturation = spread / value.clamp_min(_GREY_FLOOR)
    scale = (saturation * factor).clamp(0.0, 1.0) / saturation.clamp_min(_GREY_FLOOR)
    return value - (value - images) * scale


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the HSV hue by a share of the full circle; value and saturation stay."""
    value = images.amax(1, keepdim=True)
    spread = value - images.amin(1, keepdim=True)
    red, green, blue = images.unbind(1)
    safe = spread.squeeze(1).clamp_min(_GREY_FLOOR)
    top = images.argmax(1)
    sextant = torch.where(
        top == 0,
        (green - blue) / safe,
        torch.where(top == 1, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
    )
    sextant = sextant.unsqueeze(1) + 6.0 * turns
    # Each channel falls from `value` to `value - spread` with its distance from the hue where it is largest.
    offset = images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    k = (offset + sextant).remainder(6.0)
    return value - spread * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0)
