"""Weights on disk: shards, precision, loading without memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from torch import nn

from kinevla.backbone.model import KineVLAModel
from kinevla.configs import MODELS
from kinevla.weights import Storage, WeightsError, load_weights, save_weights, weight_files


class Small(nn.Module):
    """Parameters, a stored buffer, a counter and a buffer that is computed."""

    table: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 4, 3)
        self.register_buffer("table", torch.arange(5.0), persistent=False)
        self.to(memory_format=torch.channels_last)


@pytest.fixture
def network() -> Small:
    torch.manual_seed(0)
    return Small()


def equal(first: nn.Module, second: nn.Module, tolerance: float = 0.0) -> bool:
    """Whether two networks hold the same values."""
    mine, theirs = first.state_dict(), second.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.allclose(mine[name].float(), theirs[name].float(), rtol=0.0, atol=tolerance) for name in mine
    )


def test_small_weights_stay_one_file(network: Small, tmp_path: Path) -> None:
    assert save_weights(tmp_path, network) == ["model.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_shards_hold_no_more_than_asked_and_everything_comes_back(network: Small, tmp_path: Path) -> None:
    files = save_weights(tmp_path, network, Storage("fp32", shard_bytes=18_000))
    shards = [name for name in files if name.endswith(".safetensors")]
    assert len(shards) > 1
    assert all((tmp_path / name).stat().st_size <= 18_000 for name in shards)
    other = Small()
    load_weights(other, tmp_path)
    assert equal(network, other)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert sorted(set(index["weight_map"].values())) == shards == weight_files(tmp_path)
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    assert index["metadata"]["total_size"] == size


def test_a_tensor_larger_than_a_shard_has_a_file_of_its_own(network: Small, tmp_path: Path) -> None:
    save_weights(tmp_path, network, Storage("fp32", shard_bytes=1024))
    where = json.loads((tmp_path / "model.safetensors.index.json").read_text())["weight_map"]
    assert list(where.values()).count(where["first.weight"]) == 1


def test_saving_again_leaves_no_files_of_the_old_layout(network: Small, tmp_path: Path) -> None:
    (tmp_path / "model_card.txt").write_text("stays")
    save_weights(tmp_path, network, Storage("fp32", shard_bytes=4096))
    save_weights(tmp_path, network, Storage("fp32"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "model_card.txt"]


@pytest.mark.parametrize(("precision", "error"), [("fp32", 0.0), ("fp16", 1e-3), ("bf16", 8e-3)])
def test_precision_is_that_of_parameters_while_statistics_keep_theirs(network, tmp_path, precision, error):
    network.norm.running_mean += 1.0 / 3.0
    save_weights(tmp_path, network, Storage(precision))
    other = Small()
    load_weights(other, tmp_path)
    assert equal(network, other, error)
    torch.testing.assert_close(other.norm.running_mean, network.norm.running_mean, rtol=0.0, atol=0.0)
    assert {value.dtype for value in other.parameters()} == {torch.float32}
    load_weights(other, tmp_path, dtype=None)
    assert {value.dtype for value in other.parameters()} == {getattr(torch, _NAMES[precision])}


_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def test_a_network_built_empty_takes_no_memory_until_it_is_loaded(network: Small, tmp_path: Path) -> None:
    save_weights(tmp_path, network, Storage("fp32"))
    with init_empty_weights():
        empty = Small()
    assert all(value.is_meta for value in empty.parameters())
    assert not empty.table.is_meta and not empty.norm.running_mean.is_meta
    load_weights(empty, tmp_path)
    assert equal(network, empty)
    assert empty.last.weight.stride() == network.last.weight.stride()
    torch.testing.assert_close(empty.table, network.table)


def test_what_is_not_finite_is_not_stored(network: Small, tmp_path: Path) -> None:
    network.first.weight.data[3, 4] = float("nan")
    with pytest.raises(WeightsError, match=r"first\.weight holds 1 of 4096 values that are not finite"):
        save_weights(tmp_path, network)
    assert not list(tmp_path.iterdir())


def test_a_value_too_large_for_the_precision_is_not_stored(network: Small, tmp_path: Path) -> None:
    network.first.bias.data[0] = 7e4
    with pytest.raises(WeightsError, match=r"first\.bias holds 7e\+04, torch\.float16 ends at 6\.55e\+04"):
        save_weights(tmp_path, network, Storage("fp16"))
    save_weights(tmp_path, network, Storage("bf16"))


def test_a_network_without_values_is_not_stored(tmp_path: Path) -> None:
    with init_empty_weights():
        empty = Small()
    with pytest.raises(WeightsError, match="holds no values"):
        save_weights(tmp_path, empty)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "int8"}, "precision must be one of fp32, fp16, bf16, got 'int8'"),
        ({"shard_bytes": 10}, "shard_bytes must be at least 1024, got 10"),
    ],
)
def test_impossible_storage_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Storage(**values)


def test_a_missing_shard_is_named(network: Small, tmp_path: Path) -> None:
    files = save_weights(tmp_path, network, Storage("fp32", shard_bytes=4096))
    (tmp_path / files[1]).unlink()
    with pytest.raises(WeightsError, match=f"names {files[1]}, which is missing"):
        load_weights(Small(), tmp_path)


def test_an_index_that_leads_outside_is_refused(network: Small, tmp_path: Path) -> None:
    files = save_weights(tmp_path, network, Storage("fp32", shard_bytes=4096))
    index = tmp_path / files[-1]
    content = json.loads(index.read_text())
    content["weight_map"]["first.bias"] = "../model.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=r"names \.\./model\.safetensors"):
        load_weights(Small(), tmp_path)


def test_an_unreadable_index_is_refused(network: Small, tmp_path: Path) -> None:
    files = save_weights(tmp_path, network, Storage("fp32", shard_bytes=4096))
    (tmp_path / files[-1]).write_text("{}")
    with pytest.raises(WeightsError, match="is no readable index"):
        load_weights(Small(), tmp_path)


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"neither model\.safetensors nor model\.safetensors\.index\.json"):
        load_weights(Small(), tmp_path)


def test_weights_of_another_network_change_nothing(network: Small, tmp_path: Path) -> None:
    save_weights(tmp_path, network, Storage("fp32"))
    other = Small()
    other.first = nn.Linear(32, 64)
    other.extra = nn.Linear(2, 2)
    before = other.last.weight.detach().clone()
    with pytest.raises(WeightsError) as caught:
        load_weights(other, tmp_path)
    text = str(caught.value)
    assert "missing tensors (2): extra.bias, extra.weight" in text
    assert "misshapen tensors (1): first.weight (64, 64) instead of (64, 32)" in text
    torch.testing.assert_close(other.last.weight, before)


def test_the_papers_network_is_built_empty_without_its_thirty_gigabytes() -> None:
    with init_empty_weights():
        model = KineVLAModel(MODELS.get("7b"))
    assert sum(value.numel() for value in model.parameters()) > 7.5e9
    assert all(value.is_meta for value in model.parameters())
    assert not any(value.is_meta for value in model.buffers())
