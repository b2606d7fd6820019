"""Settings of the towers' training; nothing heavy is imported here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from kinevla.backbone.config import ModelConfig


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of the augmentation."""

    crop_share: float = 0.5
    """Share of images that are cropped and resized."""
    min_area: float = 0.85
    """Smallest crop, share of the image's area."""
    brightness: float = 0.15
    """Largest change, share of full scale."""
    contrast: float = 0.2
    """Contrast factor lies in 1 - c .. 1 + c."""
    saturation: float = 0.2
    """Saturation factor lies in 1 - s .. 1 + s."""
    noise: float = 0.015
    """Standard deviation of pixel noise, share of full scale."""

    def __post_init__(self) -> None:
        if not 0.0 < self.min_area <= 1.0 or not 0.0 <= self.crop_share <= 1.0:
            raise ValueError(f"min_area {self.min_area} and crop_share {self.crop_share} must lie in 0..1")


@dataclass(frozen=True)
class LiftConfig:
    """The stage that learns points in space from what the finished towers see."""

    max_observations: int = 16_000
    """Observations passed through the towers for it."""
    max_steps: int = 8000
    """Bound on steps."""
    batch_size: int = 512
    """Observations per step."""
    learning_rate: float = 1e-3
    """Peak."""
    keypoint_noise: float = 0.003
    """Standard deviation added to coordinates in -1..1 (0.0078 is half a pixel of 128)."""
    bf16: bool = True
    """Mixed precision while reading keypoints."""


@dataclass(frozen=True)
class VisionTrainConfig:
    """One pretraining run of the towers. A run that is there already is continued."""

    views: Path
    """Rendered views (kinevla data views)."""
    out: Path
    """Where towers, report and the resumable state go."""
    demonstrations: Annotated[Path | None, arg(aliases=("--demos",))] = None
    """Demonstrations whose frames carry keypoints, used as well."""
    max_minutes: float | None = 25.0
    """Minutes of this call, the lifting stage included; None for no bound."""
    max_steps: int | None = None
    """Bound on tower steps over all continuations; None for no bound."""
    batch_size: int = 24
    """Observations per step, two images each."""
    learning_rate: float = 2e-3
    """Peak of AdamW."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    warmup_steps: int = 50
    """Steps of linear warm-up."""
    lift_share: float = 0.25
    """Share of the time kept for the points in space."""
    demonstration_stride: int = 4
    """Every n-th frame of a demonstration is used."""
    demonstration_share: float = 0.5
    """Share of a batch drawn from demonstrations."""
    val_samples: int = 500
    """Held-out views the error is reported on."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    threads: int = 1
    """CPU threads."""
    bf16: bool = True
    """Mixed precision in the towers."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the towers run."""
    workers: int = 0
    """Threads that decode and augment batches ahead; 0 does it in between."""
    log_every: int = 50
    """Steps between reports."""
    save_every: int = 200
    """Steps between resumable states."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation."""
    lift: LiftConfig = field(default_factory=LiftConfig)
    """Lifting stage."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Sizes."""

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "val_samples",
            "demonstration_stride",
            "threads",
            "log_every",
            "save_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.workers < 0:
            raise ValueError(f"workers must be at least 0, got {self.workers}")
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if not 0.0 <= self.lift_share < 1.0:
            raise ValueError(f"lift_share must lie in 0..1 (below 1), got {self.lift_share}")
        if not 0.0 <= self.demonstration_share <= 1.0:
            raise ValueError(f"demonstration_share must lie in 0..1, got {self.demonstration_share}")

    def identity(self) -> dict[str, Any]:
        """Return what a continued run must share with the run it continues."""
        return {
            "batch_size": self.batch_size, "learning_rate": self.learning_rate, "seed": self.seed,
            "weight_decay": self.weight_decay, "model": self.model.to_dict(),
            "augment": dataclasses.asdict(self.augment), "max_steps": self.max_steps,
        }  # fmt: skip
