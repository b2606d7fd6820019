from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.training.loop import STATE_NAME, ResumeError
from kinevla.training.policy_trainer import prepare_run, train_policy
from kinevla.training.validation import validate

from .conftest import tiny_run


def weights_of(directory: Path) -> dict[str, torch.Tensor]:
    return torch.load(directory / STATE_NAME, weights_only=True)["model"]


def test_a_run_stopped_halfway_and_continued_ends_with_the_same_weights(
    workplace: Path, tmp_path: Path
) -> None:
    train_policy(tiny_run(workplace, tmp_path / "straight"))
    stopped = tiny_run(workplace, tmp_path / "stopped")
    with pytest.MonkeyPatch.context() as patch:
        calls = []

        def stop_after_two(*arguments: object, **options: object) -> torch.Tensor:
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append(1)
            return original(*arguments, **options)

        import kinevla.training.policy_trainer as trainer

        original = trainer._step
        patch.setattr(trainer, "_step", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            train_policy(stopped)
    train_policy(stopped)
    straight, continued = weights_of(tmp_path / "straight"), weights_of(tmp_path / "stopped")
    for name, value in straight.items():
        assert torch.equal(value, continued[name]), name


def test_every_loss_term_is_in_the_metrics_file(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run"))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    for row in rows:
        total = float(row["loss_reasoning"]) + float(row["loss_action"]) + 0.1 * float(row["loss_coupling"])
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
        assert float(row["loss_coupling"]) > 0.0
    assert rows[-1]["val_joint_l1_mrad"] and rows[-1]["val_code4_accuracy"]


def test_the_coupling_loss_can_be_switched_off(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", coupling_weight=0.0, max_steps=1))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        assert float(next(csv.DictReader(stream))["loss_coupling"]) == 0.0


def test_a_run_with_other_settings_is_not_continued(workplace: Path, tmp_path: Path) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1))
    with pytest.raises(ResumeError, match="batch_size = 16, asked for 8"):
        train_policy(tiny_run(workplace, tmp_path / "run", max_steps=1, batch_size=8))


def test_a_tiny_model_learns_the_codes_of_thirty_two_samples_by_heart(
    workplace: Path, tmp_path: Path
) -> None:
    import dataclasses

    import kinevla.training.policy_trainer as trainer

    config = tiny_run(
        workplace, tmp_path / "run", max_steps=400, batch_size=32, learning_rate=5e-3, variant_share=0.0,
        keypoint_noise=0.0, point_noise_m=0.0,
        code_noise=0.0, weight_decay=0.0,
    )  # fmt: skip
    run = prepare_run(config)
    few = dataclasses.replace(run.data, train=run.data.train[::4][:32])
    run.data = few
    parameters = trainer._trainable(run.model)
    trainer.set_training(run.model)
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.0)
    first = last = 0.0
    for step in range(260):
        last = float(trainer._step(run, optimiser, parameters, step)[2])
        first = first or last
    assert last < 0.2 * first
    figures = validate(run.model, few, run.cache, run.builder, run.tokenizer, few.train, bf16=False)
    assert figures["code1_accuracy"] > 0.9
    assert figures["reasoning_accuracy"] > 0.95


def test_features_are_computed_once_and_interrupted_work_goes_on(workplace: Path, tmp_path: Path) -> None:
    from kinevla.data.episodes import EpisodeReader
    from kinevla.training.feature_cache import build_cache
    from kinevla.vision.checkpoint import load_vision

    backbone, _, _ = load_vision(workplace / "vision")
    reader = EpisodeReader(workplace / "demos")
    whole = build_cache(tmp_path, "whole", backbone, reader, bf16=False)

    class Stops(EpisodeReader):
        def read(self, index: int):  # type: ignore[no-untyped-def]
            if index == 5:
                raise KeyboardInterrupt
            return super().read(index)

    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path, "part", backbone, Stops(workplace / "demos"), bf16=False)
    again = build_cache(tmp_path, "part", backbone, reader, bf16=False)
    np.testing.assert_array_equal(whole.patches, again.patches)
    np.testing.assert_array_equal(whole.points, again.points)
    assert len(whole) == sum(entry.frames for entry in reader.entries)
