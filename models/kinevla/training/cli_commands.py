"""`kinevla vision train` and `kinevla train`: options and what they call. Nothing heavy is imported here."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VisionTrainArgs:
    """Options of `kinevla vision train`. A run that is there already is continued."""

    views: Path
    """Rendered views (kinevla data views)."""
    out: Path
    """Where towers, report and the resumable state go."""
    demos: Path | None = None
    """Demonstrations whose frames carry keypoints, used as well."""
    max_minutes: float | None = 25.0
    """Time of this call."""
    max_steps: int | None = None
    """Bound on tower steps over all continuations."""
    batch_size: int = 24
    """Observations per step, two images each."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    threads: int = 1
    """CPU threads."""


@dataclass(frozen=True)
class PolicyTrainArgs:
    """Options of `kinevla train`. A run that is there already is continued to the step."""

    data: Path
    """Demonstrations (kinevla data generate)."""
    tokenizer: Path
    """Action tokenizer (kinevla tokenizer train)."""
    vision: Path
    """Pretrained towers (kinevla vision train)."""
    out: Path
    """Where best, last, metrics and the resumable state go."""
    max_minutes: float | None = 40.0
    """Time of this call, features not counted."""
    max_steps: int | None = None
    """Bound on steps over all continuations."""
    batch_size: int = 64
    """Samples per step."""
    learning_rate: float = 1.5e-3
    """Peak learning rate."""
    schedule: str = "cosine"
    """'cosine' or 'constant'."""
    coupling_weight: float = 0.1
    """Weight of the mutual-information loss (0: off)."""
    reasoning_loss_fraction: float = 0.25
    """Share of a batch that carries the reasoning loss."""
    reasoning: bool = True
    """Reasoning texts in the sequence (off: an ablation)."""
    val_every: int = 400
    """Steps between validations."""
    seed: int = 0
    """Seed of weights and order."""
    threads: int = 1
    """CPU threads."""


def _prepare() -> None:
    # Threads that spin while they wait stall each other for minutes when another program needs a core. The
    # choice is read once, when the tensor library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def run_vision_train(args: VisionTrainArgs) -> int:
    """Train the towers and print their errors."""
    _prepare()
    from kinevla.vision import VisionTrainConfig, train_vision

    report = train_vision(
        VisionTrainConfig(
            views=args.views,
            out=args.out,
            demonstrations=args.demos,
            max_minutes=args.max_minutes,
            max_steps=args.max_steps,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            seed=args.seed,
            threads=args.threads,
        )
    )
    for name, item in report["keypoints"].items():
        if item["median_px"] is not None:
            print(
                f"{name:26} median {item['median_px']:5.2f} px, "
                f"{item['within_2px_percent']:5.1f} % within 2 px"
            )
    for name, item in report["points"].items():
        print(f"{name:26} median {item['median_mm']:5.1f} mm, 90 % below {item['p90_mm']:5.1f} mm")
    return 0


def run_policy_train(args: PolicyTrainArgs) -> int:
    """Train the policy and print its last validation."""
    _prepare()
    from kinevla.training.config import PolicyTrainConfig
    from kinevla.training.policy_trainer import train_policy

    result = train_policy(
        PolicyTrainConfig(
            data=args.data,
            tokenizer=args.tokenizer,
            vision=args.vision,
            out=args.out,
            max_minutes=args.max_minutes,
            max_steps=args.max_steps,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            schedule=args.schedule,
            coupling_weight=args.coupling_weight,
            reasoning_loss_fraction=args.reasoning_loss_fraction,
            reasoning=args.reasoning,
            val_every=args.val_every,
            seed=args.seed,
            threads=args.threads,
        )
    )
    print(", ".join(f"{key} {value:.4g}" for key, value in result.items()))
    print(f"checkpoints: {args.out / 'best'} and {args.out / 'last'}")
    return 0
