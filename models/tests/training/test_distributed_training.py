from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from kinevla.training.config import PolicyTrainConfig
from kinevla.training.distributed import DeviceError, join_processes
from kinevla.training.samples import speaking_rows
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME

from .conftest import tiny_run

_LOSSES = ("loss", "loss_reasoning", "loss_action", "loss_coupling")


def curve(directory: Path) -> list[list[float]]:
    with (directory / "metrics.csv").open() as stream:
        return [[float(row[name]) for name in _LOSSES] for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def two_processes(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicyTrainConfig:
    """Twenty steps on two processes, with unequal numbers of reasoning ids on either."""
    out = tmp_path_factory.mktemp("two") / "run"
    config = tiny_run(workplace, out, max_steps=20, processes=2, reasoning_loss_fraction=0.4)
    train_policy(config)
    return config


def test_two_processes_have_the_loss_curve_of_one(
    workplace: Path, tmp_path: Path, two_processes: PolicyTrainConfig
) -> None:
    train_policy(tiny_run(workplace, tmp_path / "run", max_steps=20, reasoning_loss_fraction=0.4))
    one, two = torch.tensor(curve(tmp_path / "run")), torch.tensor(curve(two_processes.out))
    assert one.shape == two.shape == (20, 4)
    assert one[-1, 0] < 0.9 * one[0, 0]
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4)


def test_a_run_of_two_processes_is_continued_by_one(
    workplace: Path, tmp_path: Path, two_processes: PolicyTrainConfig
) -> None:
    state = torch.load(two_processes.out / STATE_NAME, weights_only=True)
    assert state["step"] == 20
    alone = tiny_run(workplace, two_processes.out, max_steps=20, reasoning_loss_fraction=0.4)
    assert train_policy(alone)["step"] == 20


def test_reasoning_rows_are_spread_over_the_batch() -> None:
    chosen = speaking_rows(64, 0.25)
    assert chosen.sum() == 16
    assert all(chosen[start : start + 16].sum() == 4 for start in range(0, 64, 16))
    assert speaking_rows(4, 0.01).sum() == 1
    assert speaking_rows(5, 1.0).all()


def test_a_gpu_that_is_not_there_is_named(workplace: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceError, match="device is cuda"):
        join_processes(tiny_run(workplace, tmp_path / "run", device="cuda"))
