from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from kinevla.backbone.openvla_format import openvla_config
from kinevla.configs import MODELS, TOKENIZERS, TRAININGS, Entry, Registry, UnknownNameError
from kinevla.plain import to_plain
from kinevla.training.config import PolicyTrainConfig

REGISTRIES = {"training": TRAININGS, "tokenizer": TOKENIZERS, "model": MODELS}
HERE = Path("somewhere")
ABLATION = ("bins", "single-vq", "bi-rep", "bi-rea", "mi")


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=list(REGISTRIES))
def test_every_name_makes_a_frozen_dataclass_that_json_can_hold(registry: Registry) -> None:
    for entry in registry:
        config = registry.get(entry.name)
        assert dataclasses.is_dataclass(config)
        assert config.__dataclass_params__.frozen
        assert to_plain(config)
        assert entry.summary and entry.name in registry


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=list(REGISTRIES))
def test_an_unknown_name_lists_the_known_ones(registry: Registry) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get("nonesuch")
    assert "'nonesuch'" in str(caught.value)
    assert all(name in str(caught.value) for name in registry.names)


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="named twice: a, a"):
        Registry("thing", Entry("a", "first", int), Entry("a", "second", int))


@pytest.mark.parametrize("name", TRAININGS.names)
def test_every_training_preset_is_a_valid_configuration(name: str) -> None:
    preset = TRAININGS.get(name)
    config = preset.config(HERE, HERE, HERE if preset.needs_base else None, HERE)
    assert (config.base is None) != preset.needs_base
    assert TOKENIZERS.get(preset.tokenizer).kind == preset.tokenizer_kind
    assert {"data", "tokenizer", "base", "out"} == {
        item.name for item in dataclasses.fields(PolicyTrainConfig)
    } - set(preset.values())


def test_each_row_of_the_ablation_adds_one_thing_and_the_last_lacks_the_small_models_readout() -> None:
    rows = [TRAININGS.get(name) for name in ABLATION]
    changes = [
        ["tokenizer"] if first.tokenizer != second.tokenizer else differing(first.values(), second.values())
        for first, second in itertools.pairwise(rows)
    ]
    assert changes == [["tokenizer"], ["tokenizer"], ["reasoning"], ["coupling_weight"]]
    assert [differing(rows[0].values(), row.values()) for row in rows[:3]] == [[], [], []]
    own = differing(rows[-1].values(), TRAININGS.get("kinevla").values())
    assert own == ["coupling_weight", "readout"]


def differing(first: dict, second: dict) -> list[str]:
    return [name for name in first if first[name] != second[name]]


def test_baselines_are_what_their_names_say() -> None:
    assert TRAININGS.get("openvla-bins").tokenizer_kind == "bins"
    assert TRAININGS.get("vq-vla").tokenizer_kind == "rvq"
    assert TRAININGS.get("pi-flow").values()["action_head"] == "flow"
    for name in ("openvla-bins", "vq-vla", "pi-flow"):
        values = TRAININGS.get(name).values()
        assert not values["reasoning"] and values["coupling_weight"] == 0.0 and not values["readout"]


def test_the_papers_recipe_is_the_one_it_states() -> None:
    values = TRAININGS.get("paper").values()
    stated = {
        "tuning": "lora", "lora_rank": 32, "lora_dropout": 0.0, "learning_rate": 5e-4, "schedule": "constant",
        "max_steps": 50_000, "batch_size": 64, "processes": 4, "warmup_steps": 0,
        "reasoning_loss_fraction": 1.0, "reasoning_weight": 1.0, "average_decay": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in stated} == stated


def test_changes_go_over_the_preset_and_are_checked() -> None:
    config = TRAININGS.get("bi-rea").config(HERE, HERE, None, HERE, batch_size=8)
    assert config.batch_size == 8 and config.coupling_weight == 0.0
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        TRAININGS.get("bi-rea").config(HERE, HERE, None, HERE, batch_size=1)


def test_model_sizes_are_the_shipped_and_the_public_ones() -> None:
    assert MODELS.get("7b") == openvla_config()
    assert MODELS.get("nano").decoder.hidden_size == 192 and MODELS.get("nano").readout is not None
    assert MODELS.get("tiny").vision.image_size == 32


def test_the_shipped_model_spells_motion_in_more_codes_than_the_paper() -> None:
    for name, levels in (("paper", (2, 2)), ("kinevla", (2, 4))):
        network = TOKENIZERS.get(TRAININGS.get(name).tokenizer).training.network
        assert (network.goal_levels, network.kinematics_levels) == levels


def test_single_level_tokenisers_have_as_many_codes_and_steps() -> None:
    ours, single = TOKENIZERS.get("kinevla").training, TOKENIZERS.get("single-vq").training
    assert single.network.kinematics_levels == 0
    assert single.network.goal_levels == ours.network.goal_levels + ours.network.kinematics_levels
    assert single.stage1_steps == ours.stage1_steps + ours.stage2_steps


def test_listing_names_does_not_load_torch() -> None:
    code = "import sys, kinevla.configs as c; [list(r) for r in (c.MODELS, c.TOKENIZERS, c.TRAININGS)]; "
    code += "c.TRAININGS.get('kinevla'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
