"""The frozen image encoder: EfficientNet-Lite0 up to stride 16, as it comes by pip.

Its features are a function of the image alone, so training computes them once per frame. What is trained
on top lies in `sight`.
"""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinevla.backbone.pretrained import SIGHT

CHANNELS = (24, 40, 112)  # Channels of the maps
STRIDES = (4, 8, 16)  # Pixels per cell of the maps
_LAST_BLOCKS = (2, 4, 10)
FORM = "each cell normalised"  # What is done to the maps; stored ones of another form are computed anew
_MEAN, _SCALE = 0.498, 0.502


class ImageFeatures(nn.Module):
    """Images to feature maps at three scales; it has no parameters that are trained or stored with a policy.

    Raises:
        PretrainedError: the package is not installed, or another version.
    """

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # It reports on the standard output.
            whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(SIGHT.path())).eval()
        self.stem = fuse_conv_bn_eval(whole._conv_stem, whole._bn0)
        self.blocks = whole._blocks[: _LAST_BLOCKS[-1] + 1]
        for block in self.blocks:
            for convolution, norm in (
                ("_expand_conv", "_bn0"),
                ("_depthwise_conv", "_bn1"),
                ("_project_conv", "_bn2"),
            ):
                if hasattr(block, convolution):
                    setattr(
                        block,
                        convolution,
                        fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm)),
                    )
                    setattr(block, norm, nn.Identity())
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def train(self, mode: bool = True) -> ImageFeatures:
        """Stay in evaluation: it is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Look at images.

        Args:
            images: (B, N, S, S, 3) uint8 RGB of N cameras, S a multiple of 16.

        Returns:
            One map (B, N, S / stride, S / stride, C) per scale, in the order of `STRIDES`, each cell's
            channels with mean 0 and variance 1.
        """
        leading = images.shape[:2]
        x = images.flatten(0, 1).permute(0, 3, 1, 2)
        x = (x.to(self.stem.weight.dtype) / 255.0 - _MEAN) / _SCALE
        x = nn.functional.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _LAST_BLOCKS:
                cells = x.permute(0, 2, 3, 1)
                maps.append(nn.functional.layer_norm(cells, cells.shape[-1:]).unflatten(0, leading))
        return tuple(maps)


@lru_cache(maxsize=2)
def image_features(device: torch.device) -> ImageFeatures:
    """Return the encoder on a device; all networks of a process share it."""
    return ImageFeatures().to(device)
