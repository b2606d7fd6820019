"""`kinevla train`: its options are the configuration itself."""

from __future__ import annotations

import logging

from kinevla.cli.command import Exit, Outcome
from kinevla.training.config import PolicyTrainConfig

TrainArgs = PolicyTrainConfig


def run_train(config: PolicyTrainConfig) -> Outcome:
    """Train the policy and report its last validation."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from kinevla.training.stages.policy import train_policy

    result = train_policy(config)
    figures = ", ".join(f"{key} {value:.4g}" for key, value in result.items())
    checkpoints = {name: str(config.out / name) for name in ("best", "last")}
    text = f"{figures}\ncheckpoints: {' and '.join(checkpoints.values())}"
    if config.max_steps is not None and result["step"] < config.max_steps:
        text += "\nusable, but not all steps are done: run the same command again to go on"
        return Outcome(text, result | checkpoints, Exit.UNFINISHED)
    return Outcome(text, result | checkpoints)
