"""`kinevla vision train` and `kinevla train`: their options are the configurations themselves."""

from __future__ import annotations

import logging

from kinevla.cli.command import Exit, Outcome
from kinevla.training.config import PolicyTrainConfig
from kinevla.vision.config import VisionTrainConfig

__all__ = ["PolicyTrainConfig", "VisionTrainConfig", "run_policy_train", "run_vision_train"]


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def run_vision_train(config: VisionTrainConfig) -> Outcome:
    """Train the towers and report their errors."""
    _log_to_stderr()
    from kinevla.vision import train_vision

    report = train_vision(config)
    lines = [
        f"{name:26} median {item['median_px']:5.2f} px, {item['within_2px_percent']:5.1f} % within 2 px"
        for name, item in report["keypoints"].items()
        if item["median_px"] is not None
    ]
    lines += [
        f"{name:26} median {item['median_mm']:5.1f} mm, 90 % below {item['p90_mm']:5.1f} mm"
        for name, item in report["points"].items()
    ]
    return Outcome("\n".join(lines), report | {"out": str(config.out)})


def run_policy_train(config: PolicyTrainConfig) -> Outcome:
    """Train the policy and report its last validation."""
    _log_to_stderr()
    from kinevla.training.stages.policy import train_policy

    result = train_policy(config)
    figures = ", ".join(f"{key} {value:.4g}" for key, value in result.items())
    checkpoints = {name: str(config.out / name) for name in ("best", "last")}
    text = f"{figures}\ncheckpoints: {' and '.join(checkpoints.values())}"
    if config.max_steps is not None and result["step"] < config.max_steps:
        text += "\nusable, but not all steps are done: run the same command again to go on"
        return Outcome(text, result | checkpoints, Exit.UNFINISHED)
    return Outcome(text, result | checkpoints)
