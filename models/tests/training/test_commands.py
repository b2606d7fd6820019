from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from kinevla.cli.command import Exit, UsageError
from kinevla.cli.main import find_command
from kinevla.cli.parse import read_line
from kinevla.cli.train_commands import run_train
from kinevla.training.config import PolicyTrainConfig

from .conftest import tiny_run

PATHS = "--data d --tokenizer t --out o"


def read(command: str, line: str):
    """Read a command line as `kinevla` does."""
    found = find_command(command.split())
    assert found is not None
    return read_line(found, line.split()).args


def test_training_options_are_the_configuration_itself() -> None:
    config = read("train", f"{PATHS} --max-minutes 3 --no-reasoning --coupling-weight 0 --decoder.layers 6")
    assert isinstance(config, PolicyTrainConfig)
    assert (config.data, config.max_minutes, config.reasoning) == (Path("d"), 3.0, False)
    assert (config.coupling_weight, config.decoder.layers) == (0.0, 6)
    sizes = read("train", f"{PATHS} --sight.image-size 64 --motion.queries 3 --light.share 0.5")
    assert (sizes.sight.image_size, sizes.motion.queries, sizes.light.share) == (64, 3, 0.5)


def test_a_preset_gives_defaults_that_options_override() -> None:
    config = read("train", f"--preset bi-rea --batch-size 8 {PATHS}")
    assert (config.coupling_weight, config.reasoning, config.batch_size) == (0.0, True, 8)
    nested = read("train", f"--preset=tiny {PATHS} --decoder.heads 4")
    assert (nested.decoder.hidden_size, nested.decoder.layers, nested.decoder.heads) == (64, 2, 4)
    assert read("train", f"{PATHS} --coupling-weight 0.3 --preset bi-rep").coupling_weight == 0.3


def test_a_preset_that_starts_from_a_base_checkpoint_asks_for_it() -> None:
    config = read("train", "--preset paper --data d --tokenizer t --base b --out o")
    assert config.base == Path("b") and config.tuning == "lora"
    with pytest.raises(UsageError, match="missing required options: --base"):
        read("train", "--preset paper --data d --tokenizer t --out o")


def test_a_tokenizer_of_another_kind_than_the_presets_is_refused() -> None:
    shipped = Path(__file__).parents[2] / "checkpoints" / "nano" / "action_tokenizer"
    with pytest.raises(UsageError, match=r"'bins' needs a 'bins' tokeniser, .* of kind 'bilevel_rvq'"):
        read("train", f"--preset bins --data d --tokenizer {shipped} --out o")
    read("train", f"--preset bi-rep --data d --tokenizer {shipped} --out o")


def test_tokenizer_presets_choose_the_kind() -> None:
    assert read("tokenizer train", "--data d --out o --preset bins").kind == "bins"
    single = read("tokenizer train", "--data d --out o --preset single-vq --training.batch 2048")
    assert single.kind == "rvq" and single.training.batch == 2048
    with pytest.raises(UsageError, match="'bins' is a tokeniser of kind 'bins', --kind says 'rvq'"):
        read("tokenizer train", "--data d --out o --preset bins --kind rvq")


def test_asking_for_the_commands_does_not_load_torch() -> None:
    code = "import sys, kinevla.cli.train_commands; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="demos"):
        run_train(PolicyTrainConfig(data=tmp_path / "demos", tokenizer=tmp_path / "t", out=tmp_path / "out"))


def test_a_training_that_ran_out_of_time_says_so_and_the_same_command_goes_on(
    workplace: Path, tmp_path: Path
) -> None:
    config = tiny_run(workplace, tmp_path / "run", max_minutes=1e-9)
    outcome = run_train(config)
    assert (outcome.code, outcome.figures["step"]) == (Exit.UNFINISHED, 1)
    assert "run the same command again" in outcome.text
    outcome = run_train(dataclasses.replace(config, max_minutes=None))
    assert (outcome.code, outcome.figures["step"]) == (Exit.DONE, 4)
