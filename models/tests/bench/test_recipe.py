from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kinevla.backbone.config import DecoderConfig, VitTowerConfig
from kinevla.cli.main import main
from kinevla.recipes.check import RecipeReport, check_recipe, model_config
from kinevla.recipes.memory import (
    decoder_bytes,
    decoder_layer_bytes,
    logit_bytes,
    state_bytes,
    tower_block_bytes,
    tower_bytes,
)
from kinevla.recipes.recipe import Recipe, RecipeError, find_recipe, read_recipe, recipe_names

PAPER = "paper_openvla7b"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe(find_recipe(PAPER))


@pytest.fixture(scope="module")
def report(recipe: Recipe) -> RecipeReport:
    return check_recipe(recipe)


def _lora(inputs: int, outputs: int, rank: int = 32) -> int:
    return rank * (inputs + outputs)


def test_the_public_checkpoint_has_its_known_number_of_weights(report: RecipeReport) -> None:
    assert report.public_total == 7_541_237_184
    assert report.public_parameters["projector"] == (
        (2176 * 8704 + 8704) + (8704 * 4096 + 4096) + (4096 * 4096 + 4096)
    )


def test_adapters_have_as_many_weights_as_counted_by_hand(report: RecipeReport) -> None:
    def tower(width: int, hidden: int, blocks: int) -> int:
        block = _lora(width, 3 * width) + _lora(width, width) + 2 * _lora(width, hidden)
        return blocks * block + _lora(3 * 14 * 14, width)

    pool = 2 * _lora(1152, 1152) + _lora(1152, 2 * 1152) + 2 * _lora(1152, 4304)
    projector = _lora(2176, 8704) + _lora(8704, 4096) + _lora(4096, 4096)
    layer = 4 * _lora(4096, 4096) + 3 * _lora(4096, 11008)
    head = _lora(4096, 32064)
    by_hand = tower(1024, 4096, 24) + tower(1152, 4304, 27) + pool + projector + 32 * layer + head
    assert report.lora_parameters == by_hand == 110_828_288
    assert report.trained_parameters == by_hand + report.own_parameters


def test_a_sample_is_two_cameras_state_and_text(report: RecipeReport) -> None:
    sequence = report.sequence
    assert sequence.observation == 2 * 256 + 1
    assert sequence.codes == 4
    # <goal> </goal> <goal_act> </goal_act>, the same for the kinematics, eos; the texts' ends are choices.
    assert sequence.marks == 9
    batch = report.shapes["images"][0]
    assert report.shapes["patch features"] == (batch, 2, 256, 1024 + 1152)
    assert report.shapes["sequence"] == (batch, sequence.total, 4096)
    assert report.shapes["logits"] == (batch, sequence.total, 32064)


def test_the_estimate_follows_the_formulas(recipe: Recipe, report: RecipeReport) -> None:
    total, trained = report.total_parameters, report.trained_parameters
    assert report.memory.weights == 2 * (total - trained) + 4 * trained
    assert report.memory.optimiser == 8 * trained == 2 * report.memory.gradients
    whole = check_recipe(replace(recipe, changes={"accumulation": 1}))
    assert whole.memory.activations == 2 * report.memory.activations
    assert report.fits and not whole.fits


def test_formulas_give_the_figures_of_a_tiny_network() -> None:
    decoder = DecoderConfig(hidden_size=10, layers=3, heads=2, intermediate_size=100)
    assert decoder_layer_bytes(decoder) == 24 * 10 + 8 * 100
    assert decoder_bytes(decoder, 7, checkpointing=False) == 3 * 7 * 1040
    assert decoder_bytes(decoder, 7, checkpointing=True) == 3 * 7 * 2 * 10 + 7 * 1040
    tower = VitTowerConfig(width=8, depth=4, heads=2, mlp_hidden=50)
    assert tower_block_bytes(tower) == 16 * 8 + 4 * 50
    assert tower_bytes(tower, 5, checkpointing=False) == 3 * 5 * 328
    assert tower_bytes(tower, 5, checkpointing=True) == 3 * 5 * 16 + 5 * 328
    assert logit_bytes(6, 100) == 6000
    assert state_bytes(1000, 100, 2) == (1800 + 400, 400, 800)


def test_the_recipe_is_the_papers_run(recipe: Recipe) -> None:
    training = recipe.training
    assert (training.batch_size, training.max_steps, training.learning_rate) == (64, 50_000, 5e-4)
    assert (training.processes, recipe.micro_batch, recipe.weight_dtype) == (4, 8, "bfloat16")
    assert (training.schedule, training.warmup_steps) == ("constant", 0)
    assert (training.lora_rank, training.lora_alpha, training.lora_dropout) == (32, 16, 0.0)
    assert (recipe.codes.goal_levels, recipe.codes.kinematics_levels) == (2, 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n[changes]\n", "\n[changes]\nlora_rank = 0", r"lora_rank must be at least 1, got 0"),
        ('size = "7b"', "", r"it lacks size"),
        ("\n[changes]\n", "\n[changes]\ncolour = 1", r"\[changes\] has no option colour"),
        ("\n[changes]\n", "\n[changes]\nlora_rank = true", r"changes\.lora_rank must be int, got True"),
        ("= 80.0", '= "80"', r"gpu_memory_gb must be float, got '80'"),
        ("= 80.0", "= 0", r"gpu_memory_gb must be above 0, got 0"),
        ("\n[changes]\n", '\n[changes]\nschedule = "rising"', r"cosine, constant, got 'rising'"),
        ("\n[changes]\n", "\n[changes]\naccumulation = 3", r"batch_size 64 must be a multiple of .* = 12"),
        ("\n[changes]\n", "\n[changed]\n", r"there is no entry changed"),
        ('"paper"', '"papers"', r"no training preset is named 'papers'"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = find_recipe(PAPER).read_text()
    assert old in text
    path = tmp_path / "recipe.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(RecipeError, match=message):
        read_recipe(path)


def test_recipes_are_found_by_name_or_path_and_small_models_have_none(recipe: Recipe, tmp_path: Path) -> None:
    assert PAPER in recipe_names()
    with pytest.raises(RecipeError, match=PAPER):
        find_recipe(str(tmp_path / "absent.toml"))
    with pytest.raises(RecipeError, match="nano"):
        model_config(replace(recipe, size="nano"))


def test_the_command_fails_when_memory_will_not_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(find_recipe(PAPER).read_text().replace("gpu_memory_gb = 80.0", "gpu_memory_gb = 40.0"))
    assert main(["recipe", "check", str(path), "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert values["total_parameters"] == 7_541_237_184 + values["own_parameters"] + 110_828_288
    assert not values["fits"]
