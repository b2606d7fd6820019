"""Directory of pretrained towers: configuration, weights, report, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinevla.backbone.config import ModelConfig
from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.bounded import read_json
from kinevla.manifest import verify_manifest, write_json, write_manifest
from kinevla.weights import Storage, WeightsError, load_weights, save_weights

VISION_KIND = "vision"
CONFIG_NAME, REPORT_NAME, WEIGHTS_STEM = "config.json", "report.json", "towers"


class VisionCheckpointError(RuntimeError):
    """A directory of towers does not fit its configuration."""


def make_vision(config: ModelConfig) -> VisionBackbone:
    """Build untrained towers of a configuration."""
    return VisionBackbone(config.vision, config.geometry, config.state_dim)


def save_vision(
    directory: Path,
    backbone: VisionBackbone,
    config: ModelConfig,
    settings: Any,
    report: dict[str, Any],
    inputs: Mapping[str, Path] | None = None,
) -> None:
    """Write towers, their configuration and a report of their errors.

    Args:
        directory: where to.
        backbone: the towers.
        config: their sizes.
        settings: what they were trained with.
        report: their errors.
        inputs: the results they were trained on by role ('views', 'data').

    Raises:
        WeightsError: weights that are not finite.
    """
    directory.mkdir(parents=True, exist_ok=True)
    weights = save_weights(directory, backbone, Storage("fp32"), WEIGHTS_STEM)
    write_json(directory / CONFIG_NAME, config.to_dict())
    write_json(directory / REPORT_NAME, report)
    write_manifest(
        directory,
        kind=VISION_KIND,
        files=[CONFIG_NAME, *weights, REPORT_NAME],
        config=settings,
        inputs=inputs,
        summary=report,
    )


def load_vision(directory: Path) -> tuple[VisionBackbone, ModelConfig, dict[str, Any]]:
    """Load towers; returns them in evaluation mode with their configuration and report.

    Raises:
        ManifestError: missing or changed files.
        VisionCheckpointError: a configuration that cannot be read, or weights that do not fit it or are
            damaged.
    """
    manifest = verify_manifest(directory, kind=VISION_KIND, needs=(CONFIG_NAME, REPORT_NAME))
    path = directory / CONFIG_NAME
    try:
        config = ModelConfig.from_dict(read_json(path))
    except (ValueError, KeyError, TypeError) as error:
        raise VisionCheckpointError(f"{path} is incomplete or damaged: {error}") from error
    backbone = make_vision(config)
    try:
        load_weights(backbone, directory, stem=WEIGHTS_STEM, listed=manifest["files"])
    except WeightsError as error:
        raise VisionCheckpointError(f"{directory} does not fit its {CONFIG_NAME}: {error}") from error
    report: dict[str, Any] = read_json(directory / REPORT_NAME)
    return backbone.eval(), config, report
