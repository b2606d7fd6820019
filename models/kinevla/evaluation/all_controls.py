"""A policy and the controls beside it, on the same scenes."""

from __future__ import annotations

from dataclasses import replace

from kinevla.data.workers import Deadline
from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.found_controls import FOLDER
from kinevla.evaluation.runner import Evaluation, evaluate, publish


def evaluate_all(config: EvaluateConfig) -> tuple[Evaluation, bool]:
    """Run the policy, then each control that its inputs allow, and write the policy's figures beside theirs.

    Controls have the first `control_trials` of the policy's scenes and lie in `out/controls/NAME`. What is
    there already is not run again; the time budget is that of all together.

    Returns:
        The policy's evaluation, and whether everything is finished.
    """
    budget = Deadline(config.max_minutes)
    own = replace(config, control="none")
    policy = evaluate(own)
    complete = policy.complete
    for name in config.controls():
        if budget.passed:
            complete = False
            break
        control = replace(
            own,
            control=name,
            out=config.out / FOLDER / name,
            trials=min(config.trials, config.control_trials),
            films="none",
            bert=False,  # their words are forced, or there are none
            max_minutes=budget.left_minutes,
        )
        complete = evaluate(control).complete and complete
    return (publish(own, policy) if policy.results else policy), complete
