"""Images as OpenVLA sees them: resized to the towers' size, cropped, for training also varied in colour.

Order as in the public pipeline: camera image -> square of the model's size (bicubic with antialiasing, aspect
ratio not kept) -> crop of 0.9 of the area, blown up again -> training only: brightness, contrast, saturation,
hue, each clipped to 0..1 -> uint8. Networks trained on random crops are run on the central one. Mean and
standard deviation belong to each tower and are applied there (`VitTowerConfig.pixel_statistics`);
`channel_stack` shows the result in the public model's input format.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kinevla.backbone.config import NORMALISATIONS, VisionConfig, VitTowerConfig

CROP_AREA = 0.9
_GREY_FLOOR = 1e-8


@dataclass(frozen=True)
class ImageAugmentation:
    """Training augmentation; the defaults are those of OpenVLA's fine-tuning.

    Attributes:
        crop_area: share of the image's area that a crop at a random place keeps.
        brightness: a number from -b .. b is added to all channels of an image in 0..1.
        contrast: bounds of the factor on the distance to the channel's mean.
        saturation: bounds of the factor on the HSV saturation.
        hue: the hue is turned by -h .. h full turns.
    """

    crop_area: float = CROP_AREA
    brightness: float = 0.2
    contrast: tuple[float, float] = (0.8, 1.2)
    saturation: tuple[float, float] = (0.8, 1.2)
    hue: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 < self.crop_area <= 1.0:
            raise ValueError(f"crop_area must lie in 0 < a <= 1, got {self.crop_area}")
        if self.brightness < 0.0 or not 0.0 <= self.hue <= 0.5:
            raise ValueError(f"need brightness >= 0 and hue in 0..0.5, got {self.brightness} and {self.hue}")
        for name, (low, high) in (("contrast", self.contrast), ("saturation", self.saturation)):
            if not 0.0 <= low <= high:
                raise ValueError(f"{name} needs bounds 0 <= low <= high, got {low} .. {high}")


def resize(images: Tensor, size: int) -> Tensor:
    """Resize without keeping the aspect ratio, bicubic with antialiasing as Pillow does it.

    Args:
        images: (..., H, W, 3) uint8 RGB.
        size: side of the square result, pixels.

    Returns:
        (..., size, size, 3) uint8; images of that size come back unchanged.

    Raises:
        ValueError: another type or shape.
    """
    _check(images)
    if images.shape[-3:-1] == (size, size):
        return images
    resized = F.interpolate(_channels_first(images), (size, size), mode="bicubic", antialias=True)
    return _channels_last(resized, images.shape[:-3])


def centre_crop(images: Tensor, area: float = CROP_AREA) -> Tensor:
    """Keep the central part of the area and blow it up to the old size, as for a policy trained on crops.

    Args:
        images: (..., H, W, 3) uint8 RGB.
        area: share that is kept; each side keeps its root.

    Raises:
        ValueError: another type or shape, or a share outside 0 < a <= 1.
    """
    _check(images)
    if not 0.0 < area <= 1.0:
        raise ValueError(f"area must lie in 0 < a <= 1, got {area}")
    flat = _channels_first(images).float() / 255.0
    middle = torch.full((len(flat), 2), (1.0 - area**0.5) / 2.0, device=images.device)
    return _to_uint8(_crop(flat, area, middle), images.shape[:-3])


def augment(images: Tensor, config: ImageAugmentation, generator: torch.Generator) -> Tensor:
    """Crop and recolour every image on its own.

    Args:
        images: (..., H, W, 3) uint8 RGB, of the model's size already.
        config: strengths.
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

    room = 1.0 - config.crop_area**0.5
    corner = torch.rand(count, 2, generator=generator).to(images.device) * room
    x = _crop(flat, config.crop_area, corner).clamp(0.0, 1.0)
    x = (x + drawn(-config.brightness, config.brightness)).clamp(0.0, 1.0)
    mean = x.mean((2, 3), keepdim=True)
    x = (mean + (x - mean) * drawn(*config.contrast)).clamp(0.0, 1.0)
    x = _saturate(x, drawn(*config.saturation))
    x = _turn_hue(x, drawn(-config.hue, config.hue))
    return _to_uint8(x.clamp(0.0, 1.0), images.shape[:-3])


def channel_stack(images: Tensor, config: VisionConfig) -> Tensor:
    """Normalise for both towers and stack, which is the public model's `pixel_values`.

    Args:
        images: (B, N, S, S, 3) uint8 RGB, cameras in the order of the configuration.
        config: names the statistics of each tower.

    Returns:
        (B, 6 N, S, S) float: per camera three channels for the first tower, then three for the second.

    Raises:
        ValueError: another type or shape.
    """
    _check(images)
    flat = _channels_first(images).float() / 255.0
    parts = []
    for tower in (config.featurizer, config.fused_featurizer):
        mean, std = (
            tower.pixel_statistics
            if isinstance(tower, VitTowerConfig)
            else NORMALISATIONS[tower.normalisation]
        )
        parts.append((flat - flat.new_tensor(mean).view(3, 1, 1)) / flat.new_tensor(std).view(3, 1, 1))
    return torch.cat(parts, dim=1).unflatten(0, images.shape[:2]).flatten(1, 2)


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
