"""Prismatic-style vision-language-action network; every size comes from a configuration.

Names are loaded on first use, so `config` stays free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinevla.backbone.config import (
        DecoderConfig,
        ModelConfig,
        ReadoutConfig,
        SightConfig,
        TowersConfig,
        VitTowerConfig,
    )
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
    "KineVLAModel",
    "ModelConfig",
    "OpenVLAParts",
    "PublicWeightsError",
    "ReadoutConfig",
    "SightConfig",
    "TowersConfig",
    "VisionBackbone",
    "VitTowerConfig",
    "load_openvla",
    "load_public_weights",
    "openvla_config",
]

_HOME = {
    "DecoderConfig": "config",
    "KineVLAModel": "model",
    "ModelConfig": "config",
    "OpenVLAParts": "openvla",
    "PublicWeightsError": "openvla",
    "ReadoutConfig": "config",
    "SightConfig": "config",
    "TowersConfig": "config",
    "VisionBackbone": "vision_backbone",
    "VitTowerConfig": "config",
    "load_openvla": "openvla",
    "load_public_weights": "openvla",
    "openvla_config": "openvla",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
