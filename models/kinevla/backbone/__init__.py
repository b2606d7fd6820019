"""Prismatic-style vision-language-action network; every size comes from a configuration."""

from __future__ import annotations

from kinevla.backbone.config import (
    DecoderConfig,
    GeometryConfig,
    ModelConfig,
    TowerConfig,
    VisionConfig,
    VitTowerConfig,
)
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla import PublicWeightsError, load_public_weights, openvla_config
from kinevla.backbone.vision_backbone import VisionBackbone

__all__ = [
    "DecoderConfig",
    "GeometryConfig",
    "KineVLAModel",
    "ModelConfig",
    "PublicWeightsError",
    "TowerConfig",
    "VisionBackbone",
    "VisionConfig",
    "VisualFeatures",
    "VitTowerConfig",
    "load_public_weights",
    "openvla_config",
]
