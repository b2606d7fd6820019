"""Sizes of the network by name."""

from __future__ import annotations

from kinevla.backbone.config import DecoderConfig, GeometryConfig, ModelConfig, TowerConfig, VisionConfig
from kinevla.configs.registry import Entry, Registry


def nano() -> ModelConfig:
    """Return the sizes of the small model that runs on one CPU core (the defaults of `ModelConfig`)."""
    return ModelConfig()


def openvla_7b() -> ModelConfig:
    """Return the sizes of the paper's model, those of the public OpenVLA-7B (§3.3)."""
    from kinevla.backbone.openvla import openvla_config

    return openvla_config()


def tiny() -> ModelConfig:
    """Return sizes that train in seconds, for tests and for trying a command."""
    return ModelConfig(
        vision=VisionConfig(
            image_size=32,
            patch_grid=2,
            featurizer=TowerConfig(widths=(4, 6, 8, 8), attention_heads=2),
            fused_featurizer=TowerConfig(widths=(4, 4, 6, 8), normalisation="half", attention_heads=2),
        ),
        geometry=GeometryConfig(width=32, blocks=1, frequencies=2, tokens=2, lifter_width=16),
        decoder=DecoderConfig(hidden_size=64, layers=2, heads=2, intermediate_size=128),
    )


MODELS: Registry[ModelConfig] = Registry(
    "model size",
    Entry("nano", "the small model: 128 px, two convolutional towers, 4 decoder layers; runs on a CPU", nano),
    Entry("7b", "the paper's size: 224 px, DINOv2 + SigLIP, Llama-2-7B (as OpenVLA-7B)", openvla_7b),
    Entry("tiny", "32 px and 2 layers, for tests", tiny),
)
