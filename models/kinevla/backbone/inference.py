"""The one step between a loaded network and a running policy: rewrite it for looking and speaking only."""

from __future__ import annotations

import torch

from kinevla.backbone.conv_tower import ConvTower
from kinevla.backbone.model import KineVLAModel


def prepare_for_inference(model: KineVLAModel, tower_dtype: torch.dtype = torch.float32) -> KineVLAModel:
    """Make a network faster without changing its answers; it can neither be trained nor saved afterwards.

    Convolutional towers swallow their batch norms and the normalisation of pixels (`ConvTower.fold`); vision
    transformers are left as they are. A second call changes nothing.

    Args:
        model: the network; it is changed in place and put in evaluation mode.
        tower_dtype: type the convolutional towers compute in. `torch.float32` gives the same output up to
            rounding. `torch.bfloat16` is about twice as fast on CPUs with such instructions and is what the
            towers computed in while the policy was trained; plans differ slightly from single precision.

    Raises:
        ValueError: another type.
    """
    if tower_dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"towers compute in float32 or bfloat16, got {tower_dtype}")
    model.eval().requires_grad_(False)
    for tower in (model.vision_backbone.featurizer, model.vision_backbone.fused_featurizer):
        if isinstance(tower, ConvTower) and not tower.folded:
            tower.fold(tower_dtype)
    return model


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; to be called before a clock is read. Nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
