"""Teaches the image towers where things are, on rendered views whose keypoints are known.

This stands in for the DINOv2 and SigLIP weights of the full-size model, which the nano towers cannot hold.
"""

from __future__ import annotations

from kinevla.vision.checkpoint import VisionCheckpointError, load_vision, save_vision
from kinevla.vision.samples import KeypointSamples
from kinevla.vision.trainer import VisionTrainConfig, train_vision

__all__ = [
    "KeypointSamples",
    "VisionCheckpointError",
    "VisionTrainConfig",
    "load_vision",
    "save_vision",
    "train_vision",
]
