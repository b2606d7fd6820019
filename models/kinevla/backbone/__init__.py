"""Prismatic-style vision-language-action network; every size comes from a configuration.

Names are loaded on first use, so `config` stays free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from kinevla.backbone.openvla import (
        OpenVLAParts,
        PublicWeightsError,
        load_openvla,
        load_public_weights,
        openvla_config,
    )
    from kinevla.backbone.vision_backbone import VisionBackbone

__all__ = [
    "DecoderConfig",
    "GeometryConfig",
    "KineVLAModel",
    "ModelConfig",
    "OpenVLAParts",
    "PublicWeightsError",
    "TowerConfig",
    "VisionBackbone",
    "VisionConfig",
    "VisualFeatures",
    "VitTowerConfig",
    "load_openvla",
    "load_public_weights",
    "openvla_config",
]

_HOME = {
    "DecoderConfig": "config",
    "GeometryConfig": "config",
    "KineVLAModel": "model",
    "ModelConfig": "config",
    "OpenVLAParts": "openvla",
    "PublicWeightsError": "openvla",
    "TowerConfig": "config",
    "VisionBackbone": "vision_backbone",
    "VisionConfig": "config",
    "VisualFeatures": "features",
    "VitTowerConfig": "config",
    "load_openvla": "openvla",
    "load_public_weights": "openvla",
    "openvla_config": "openvla",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
