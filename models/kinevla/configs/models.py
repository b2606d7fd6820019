"""Sizes of the network by name."""

from __future__ import annotations

from kinevla.backbone.config import DecoderConfig, ModelConfig, ReadoutConfig, SightConfig
from kinevla.configs.registry import Entry, Registry


def nano() -> ModelConfig:
    """Return the sizes of the small model that runs on one CPU core (with the defaults of `ModelConfig`)."""
    return ModelConfig(readout=ReadoutConfig())


def openvla_7b() -> ModelConfig:
    """Return the sizes of the paper's model, those of the public OpenVLA-7B (§3.3)."""
    from kinevla.backbone.openvla_format import openvla_config

    return openvla_config()


def tiny() -> ModelConfig:
    """Return sizes that train in seconds, for tests and for trying a command."""
    return ModelConfig(
        vision=SightConfig(image_size=32, width=8, points=4, point_width=4, tokens=2, hidden=16),
        decoder=DecoderConfig(hidden_size=64, layers=2, heads=2, intermediate_size=128),
        readout=ReadoutConfig(queries=2, width=16, blocks=1),
    )


MODELS: Registry[ModelConfig] = Registry(
    "model size",
    Entry(
        "nano", "the small model: 160 px, pretrained encoders by pip, 3 decoder layers; runs on a CPU", nano
    ),
    Entry("7b", "the paper's size: 224 px, DINOv2 + SigLIP, Llama-2-7B (as OpenVLA-7B)", openvla_7b),
    Entry("tiny", "32 px and 2 layers, for tests", tiny),
)
