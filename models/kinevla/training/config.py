"""Settings of a policy training run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinevla.backbone.config import DecoderConfig, GeometryConfig


@dataclass(frozen=True)
class WarmupConfig:
    """The stage that teaches the geometry fusion before the decoder (ours).

    Attributes:
        max_steps: steps of this stage; 0 leaves it out.
        max_share: share of the time budget it may use at most.
        batch_size: frames per step.
        learning_rate: peak, cosine to zero.
    """

    max_steps: int = 12_000
    max_share: float = 0.28
    batch_size: int = 384
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class PolicyTrainConfig:
    """One policy training run.

    Attributes:
        data: demonstrations.
        tokenizer: action tokenizer directory.
        vision: pretrained towers directory.
        out: directory of the run.
        max_minutes: time budget of this call.
        max_steps: bound on steps over all continuations, or None.
        batch_size: samples per step.
        learning_rate: peak of AdamW.
        schedule: 'cosine' or 'constant'.
        final_rate: cosine ends at this share of the peak.
        warmup_steps: linear warm-up.
        weight_decay: AdamW.
        clip: gradient norm.
        coupling_weight: lambda of the mutual-information loss; 0 switches it off (ablation).
        temperature: tau of eq. 6.
        reasoning_loss_fraction: share of a batch that carries the reasoning loss. The texts are few and
            learned at once; their scores over the vocabulary are not worth computing for every sample.
        reasoning: False trains without reasoning texts (ablation).
        variant_share: share of samples whose instruction is worded differently.
        code_noise: share of codes in the context that are replaced by near ones (see `code_noise`).
        keypoint_noise: standard deviation added to image coordinates in -1..1.
        point_noise_m: standard deviation added to points in space.
        seed: of weights and order.
        threads: CPU threads.
        bf16: mixed precision.
        log_every: steps between metric rows.
        val_every: steps between validations.
        val_samples: held-out frames a validation looks at.
        save_every: steps between resumable states.
        warmup: geometry stage.
        decoder: sizes of the language model.
        geometry: fusion sizes; the lifter's must be those of the pretrained towers.
    """

    data: Path
    tokenizer: Path
    vision: Path
    out: Path
    max_minutes: float | None = 40.0
    max_steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    schedule: str = "cosine"
    final_rate: float = 0.02
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    coupling_weight: float = 0.1
    temperature: float = 0.07
    reasoning_loss_fraction: float = 0.25
    reasoning: bool = True
    variant_share: float = 0.25
    code_noise: float = 0.4
    keypoint_noise: float = 0.004
    point_noise_m: float = 0.0015
    seed: int = 0
    threads: int = 1
    bf16: bool = True
    log_every: int = 50
    val_every: int = 500
    val_samples: int = 256
    save_every: int = 250
    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    geometry: GeometryConfig = field(default_factory=GeometryConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2 (the coupling loss compares samples), got {self.batch_size}"
            )
        if not 0.0 < self.reasoning_loss_fraction <= 1.0:
            raise ValueError(
                f"reasoning_loss_fraction must lie in (0, 1], got {self.reasoning_loss_fraction}"
            )
        if not self.temperature > 0.0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if not 0.0 <= self.variant_share <= 1.0:
            raise ValueError(f"variant_share must lie in 0..1, got {self.variant_share}")

    def identity(self) -> dict[str, Any]:
        """Return what a continued run must share with the run it continues."""
        free = {
            "data",
            "tokenizer",
            "vision",
            "out",
            "max_minutes",
            "threads",
            "log_every",
            "save_every",
            "val_every",
        }
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in free}
