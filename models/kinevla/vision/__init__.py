"""Teaches the image towers where things are, on rendered views whose keypoints are known.

This stands in for the DINOv2 and SigLIP weights of the full-size model, which the nano towers cannot hold.
Names are loaded on first use, so `config` stays free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinevla.vision.checkpoint import VisionCheckpointError, load_vision, save_vision
    from kinevla.vision.config import VisionTrainConfig
    from kinevla.vision.samples import KeypointSamples
    from kinevla.vision.trainer import train_vision

__all__ = [
    "KeypointSamples",
    "VisionCheckpointError",
    "VisionTrainConfig",
    "load_vision",
    "save_vision",
    "train_vision",
]

_HOME = {
    "KeypointSamples": "samples",
    "VisionCheckpointError": "checkpoint",
    "VisionTrainConfig": "config",
    "load_vision": "checkpoint",
    "save_vision": "checkpoint",
    "train_vision": "trainer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
