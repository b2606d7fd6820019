"""What light and camera electronics may do to a picture: white balance, exposure, gamma, noise.

Training shows the network every frame once as it is or changed so; nothing is moved, because where things
are in the picture is what the motion is read from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.observation.images import Image


@dataclass(frozen=True)
class PhotometricNoise:
    """Strengths."""

    share: float = 0.7  # of the frames that are changed at all
    white_balance: tuple[float, float] = (0.7, 1.3)  # bounds of the factor on each colour channel
    exposure: tuple[float, float] = (0.5, 1.3)  # bounds of the factor on all of them
    gamma: tuple[float, float] = (0.8, 1.25)  # bounds of the exponent
    noise: float = 25.0  # largest standard deviation of noise per pixel, of 255

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0 or self.noise < 0.0:
            raise ValueError(f"need share in 0..1 and noise >= 0, got {self.share} and {self.noise}")
        for name in ("white_balance", "exposure", "gamma"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high:
                raise ValueError(f"{name} needs bounds 0 < low <= high, got {low} .. {high}")


def change_light(images: Image, config: PhotometricNoise, rng: np.random.Generator) -> Image:
    """Change the pictures (N, H, W, 3) of one instant: a light for all, white balance and noise for each.

    They stay as they are where the draw says so.
    """
    if rng.random() >= config.share:
        return images
    exposure, gamma = rng.uniform(*config.exposure), rng.uniform(*config.gamma)
    levels = np.linspace(0.0, 1.0, 256) ** gamma * exposure * 255.0
    changed = np.empty(images.shape, dtype=np.float32)
    for index, image in enumerate(images):
        gains = rng.uniform(*config.white_balance, 3)
        table: NDArray[np.float32] = (levels[:, None] * gains).astype(np.float32)
        for channel in range(3):
            changed[index, ..., channel] = table[image[..., channel], channel]
        changed[index] += rng.uniform(0.0, config.noise) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(changed + 0.5, 0.0, 255.0).astype(np.uint8)
