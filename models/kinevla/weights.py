"""Weights on disk: one safetensors file, or shards with an index, in a chosen precision.

Reading compares all headers with the network before a value is touched; the values then take the place of the
network's own tensors one by one, so a network built without memory never holds its weights twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from kinevla.bounded import read_json
from kinevla.manifest import write_atomically, write_json

Precision = Literal["fp32", "fp16", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16,
}  # fmt: skip
STEM = "model"
INDEX_NAME = f"{STEM}.safetensors.index.json"
_HEADER_BYTES_PER_TENSOR = 160
_FLOATS = ("BF16", "F16", "F32")
_SHOWN = 5


class WeightsError(RuntimeError):
    """Weights that are damaged, not finite or of another network; the text names files and tensors."""


@dataclass(frozen=True)
class Storage:
    """How weights are stored.

    Raises:
        ValueError: unknown precision, or less than 1 KiB per file.
    """

    precision: Precision = "fp16"  # of parameters; buffers (statistics) keep theirs
    # a file holds at most this many bytes, unless a single tensor needs more. Weights that fit into one file
    # make no shards
    shard_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        if self.precision not in DTYPES:
            raise ValueError(f"precision must be one of {', '.join(DTYPES)}, got {self.precision!r}")
        if self.shard_bytes < 1024:
            raise ValueError(f"shard_bytes must be at least 1024, got {self.shard_bytes}")


@dataclass(frozen=True)
class Header:
    """What a weight file says of a tensor."""

    shape: tuple[int, ...]
    kind: str  # its type as safetensors names it


def save_weights(directory: Path, module: nn.Module, storage: Storage | None = None) -> list[str]:
    """Write the weights of a network, replacing those that are there.

    Returns:
        Names of the files, the index among them.

    Raises:
        WeightsError: a value that is not finite, or too large for the precision; nothing is written then.
    """
    storage = storage or Storage()
    state = module.state_dict()
    exact = {name for name, _ in module.named_buffers()}
    kinds = {name: _stored_type(value, name in exact, storage) for name, value in state.items()}
    for name, value in state.items():
        _check_storable(name, value, kinds[name])
    sizes = {name: value.numel() * kinds[name].itemsize for name, value in state.items()}
    shards = _partition(sizes, storage)
    single = len(shards) == 1
    files = [
        f"{STEM}.safetensors" if single else f"{STEM}-{number:05d}-of-{len(shards):05d}.safetensors"
        for number in range(1, len(shards) + 1)
    ]
    for file, names in zip(files, shards, strict=True):
        # Converted shard by shard, so that a large network is never in memory twice.
        part = {name: state[name].detach().to("cpu", kinds[name]).contiguous().clone() for name in names}
        write_atomically(directory / file, save(part))
    if not single:
        where = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
        write_json(directory / INDEX_NAME, index)
        files.append(INDEX_NAME)
    for old in (*directory.glob(f"{STEM}.safetensors*"), *directory.glob(f"{STEM}-*-of-*.safetensors")):
        if old.name not in files:
            old.unlink()
    return files


def _stored_type(value: Tensor, exact: bool, storage: Storage) -> torch.dtype:
    return value.dtype if exact or not value.is_floating_point() else DTYPES[storage.precision]


def _check_storable(name: str, value: Tensor, kind: torch.dtype) -> None:
    if value.is_meta:
        raise WeightsError(f"{name} holds no values (meta device)")
    if not value.is_floating_point():
        return
    _check_finite(name, value)
    largest, bound = float(value.abs().max()) if value.numel() else 0.0, torch.finfo(kind).max
    if largest > bound:
        raise WeightsError(
            f"{name} holds {largest:.4g}, {kind} ends at {bound:.4g}: store it as bf16 or fp32"
        )


def _partition(sizes: Mapping[str, int], storage: Storage) -> list[list[str]]:
    """Fill files in the order of the names, each up to the size of a shard."""
    shards: list[list[str]] = [[]]
    used = 0
    for name, size in sizes.items():
        size += len(name) + _HEADER_BYTES_PER_TENSOR
        if shards[-1] and used + size > storage.shard_bytes:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    return shards


def weight_files(directory: Path, listed: Collection[str] | None = None) -> list[str]:
    """Return the names of the weight files of a directory, without the index.

    Raises:
        WeightsError: neither a single file nor an index, both of them, an unreadable index, or one of them is
            not listed.
    """
    single, index = directory / f"{STEM}.safetensors", directory / INDEX_NAME
    found = [path for path in (single, index) if path.exists() or path.is_symlink()]
    for path in found:
        if listed is not None and path.name not in listed:
            raise WeightsError(
                f"{path} lies beside the weights, but the manifest does not list it: remove it, or make the "
                "result anew"
            )
    if len(found) == 2:
        raise WeightsError(f"{directory} holds both {single.name} and {index.name}: which one counts?")
    if not index.is_file():
        if single.is_file():
            return [single.name]
        raise WeightsError(f"{directory} holds neither {single.name} nor {index.name}")
    try:
        where = read_json(index)["weight_map"]
        files = sorted(set(where.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{index} is no readable index of shards: {error!r}") from error
    for file in files:
        if not isinstance(file, str) or Path(file).name != file or not (directory / file).is_file():
            raise WeightsError(f"{index} names {str(file)[:200]}, which is missing")
        if listed is not None and file not in listed:
            raise WeightsError(f"{index} names {file}, which the manifest does not list")
    return files


def load_weights(
    module: nn.Module,
    directory: Path,
    *,
    dtype: torch.dtype | None = torch.float32,
    listed: Collection[str] | None = None,
) -> None:
    """Put stored weights in the place of a network's tensors.

    Args:
        module: the network, possibly built under `accelerate.init_empty_weights`.
        dtype: of parameters in memory; None leaves them as they are stored.
        listed: names the manifest vouches for; nothing else is read. None where there is no manifest.

    Raises:
        WeightsError: missing, unlisted or damaged files; tensors that are missing, unknown, misshapen or of
            another type (all listed, and nothing was changed); values that are not finite.
    """
    files = weight_files(directory, listed)
    own = module.state_dict()
    buffers = {name for name, _ in module.named_buffers()}
    headers = {name: header for file in files for name, header in read_headers(directory / file).items()}
    if problems := misfits(headers, own):
        raise WeightsError(f"the weights of {directory} are not this network's: {'; '.join(problems)}")
    for file in files:
        with _opened(directory / file) as stored:
            part = {}
            for name in stored.keys():  # noqa: SIM118 (not a dictionary)
                value = stored.get_tensor(name)
                _check_finite(f"{directory / file}: {name}", value)
                # The network decides on the layout in memory (channels last in convolutions).
                kind = own[name].dtype if name in buffers else (dtype or value.dtype)
                part[name] = torch.empty_like(own[name], device="cpu", dtype=kind).copy_(value)
        module.load_state_dict(part, strict=False, assign=True)


def read_headers(path: Path) -> dict[str, Header]:
    """Return what a safetensors file says of its tensors, by name; the values stay on disk.

    Raises:
        WeightsError: it is damaged.
    """
    with _opened(path) as stored:
        parts = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118 (not a dictionary)
        return {name: Header(tuple(part.get_shape()), str(part.get_dtype())) for name, part in parts.items()}


def misfits(
    stored: Mapping[str, Header], own: Mapping[str, Tensor], floats: Collection[str] = _FLOATS
) -> list[str]:
    """Say what keeps stored tensors from taking the place of a network's own; empty where nothing does."""
    known = [(name, stored[name], own[name]) for name in stored if name in own]
    findings = {
        "missing tensors": sorted(set(own) - set(stored)),
        "unknown tensors": sorted(set(stored) - set(own)),
        "misshapen tensors": [
            f"{name} {header.shape} instead of {tuple(value.shape)}"
            for name, header, value in known
            if header.shape != tuple(value.shape)
        ],
        "tensors of another type": [
            f"{name} {header.kind} instead of {value.dtype}"
            for name, header, value in known
            if value.is_floating_point() != (header.kind in floats)
        ],
    }
    return [name_some(what, names) for what, names in findings.items() if names]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    try:
        with safe_open(path, framework="pt") as stored:
            yield stored
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {error}") from error


def name_some(what: str, names: list[str]) -> str:
    """Return 'missing tensors (7): a, b, c, d, e and 2 more'."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what} ({len(names)}): {', '.join(names[:_SHOWN])}{more}"


def _check_finite(name: str, value: Tensor) -> None:
    if value.is_floating_point() and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise WeightsError(f"{name} holds {bad} of {value.numel()} values that are not finite")
