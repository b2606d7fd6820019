"""Directory of pretrained towers: configuration, weights, report, manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from kinevla.backbone.config import ModelConfig
from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.manifest import verify_manifest, write_atomically, write_json, write_manifest

VISION_KIND = "vision"
CONFIG_NAME, WEIGHTS_NAME, REPORT_NAME = "config.json", "towers.safetensors", "report.json"


class VisionCheckpointError(RuntimeError):
    """A directory of towers does not fit its configuration."""


def make_vision(config: ModelConfig) -> VisionBackbone:
    """Build untrained towers of a configuration."""
    return VisionBackbone(config.vision, config.geometry, config.state_dim)


def save_vision(
    directory: Path, backbone: VisionBackbone, config: ModelConfig, settings: Any, report: dict[str, Any]
) -> None:
    """Write towers, their configuration and a report of their errors."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().contiguous().cpu() for name, value in backbone.state_dict().items()}
    write_atomically(directory / WEIGHTS_NAME, save(weights))
    write_json(directory / CONFIG_NAME, config.to_dict())
    write_json(directory / REPORT_NAME, report)
    write_manifest(
        directory,
        kind=VISION_KIND,
        files=[CONFIG_NAME, WEIGHTS_NAME, REPORT_NAME],
        config=settings,
        summary=report,
    )


def load_vision(directory: Path) -> tuple[VisionBackbone, ModelConfig, dict[str, Any]]:
    """Load towers; returns them in evaluation mode with their configuration and report.

    Raises:
        ManifestError: missing or changed files.
        VisionCheckpointError: weights that do not fit the configuration.
    """
    verify_manifest(directory, kind=VISION_KIND)
    config = ModelConfig.from_dict(json.loads((directory / CONFIG_NAME).read_text()))
    backbone = make_vision(config)
    try:
        backbone.load_state_dict(load((directory / WEIGHTS_NAME).read_bytes()))
    except RuntimeError as error:
        raise VisionCheckpointError(
            f"{directory / WEIGHTS_NAME} does not fit its {CONFIG_NAME}: {error}"
        ) from error
    report: dict[str, Any] = json.loads((directory / REPORT_NAME).read_text())
    return backbone.eval(), config, report
