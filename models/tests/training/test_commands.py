from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tyro

from kinevla.training.cli_commands import (
    PolicyTrainArgs,
    VisionTrainArgs,
    run_policy_train,
    run_vision_train,
)


def test_training_options_are_read_from_the_command_line() -> None:
    line = "--data d --tokenizer t --vision v --out o --max-minutes 3 --no-reasoning --coupling-weight 0"
    args = tyro.cli(PolicyTrainArgs, args=line.split())
    assert (args.data, args.max_minutes, args.reasoning, args.coupling_weight) == (Path("d"), 3.0, False, 0.0)
    towers = tyro.cli(VisionTrainArgs, args=["--views", "a", "--out", "b", "--demos", "c", "--threads", "2"])
    assert (towers.demos, towers.threads) == (Path("c"), 2)


def test_asking_for_the_commands_does_not_load_torch() -> None:
    code = "import sys, kinevla.training.cli_commands; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="views"):
        run_vision_train(VisionTrainArgs(views=tmp_path / "views", out=tmp_path / "out"))
    with pytest.raises(RuntimeError, match="demos"):
        run_policy_train(
            PolicyTrainArgs(
                data=tmp_path / "demos", tokenizer=tmp_path / "t", vision=tmp_path / "v", out=tmp_path / "out"
            )
        )


def test_a_negative_time_budget_is_refused(tmp_path: Path) -> None:
    from kinevla.training.loop import Budget

    with pytest.raises(ValueError, match="max_minutes must be positive, got -1"):
        Budget(-1.0, None)
