"""Prismatic-style vision-language-action network; every size comes from a configuration."""

from __future__ import annotations

from kinevla.backbone.config import DecoderConfig, GeometryConfig, ModelConfig, TowerConfig, VisionConfig
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.vision_backbone import VisionBackbone

__all__ = [
    "DecoderConfig",
    "GeometryConfig",
    "KineVLAModel",
    "ModelConfig",
    "TowerConfig",
    "VisionBackbone",
    "VisionConfig",
    "VisualFeatures",
]
