"""Low-rank adapters on every linear layer, as OpenVLA is fine-tuned (§4.1 of the paper: LoRA, rank 32).

The adapters live inside the network they were added to; its class and its calls stay the same. "All linear
layers" means what it meant in OpenVLA's runs, whose 110,828,288 trainable weights are matched to the digit:
every linear layer of both towers (their pooling head included), projector and language model, its output head
included, and the two convolutions that cut images into patches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from kinevla.backbone.openvla_weights import PUBLIC_PARTS
from kinevla.bounded import read_json

ADAPTER_NAME, SETTINGS_NAME = "adapter_model.safetensors", "adapter_config.json"
ALL_LINEAR = "all-linear"
# Both are peft's: its name for the only adapter, and the prefix of names in its files.
_ADAPTER, _FILE_PREFIX = "default", "base_model.model."
_LORA_MARKS = ("lora_A.", "lora_B.")


class AdapterError(RuntimeError):
    """Adapters are absent, present twice, or do not belong to this network; the text names them."""


@dataclass(frozen=True)
class LoraSettings:
    """How a network is adapted.

    Attributes:
        rank: inner width of each adapter.
        alpha: adapters are scaled by alpha / rank.
        dropout: share of an adapter's inputs dropped in training.
        targets: 'all-linear', or endings of module names, such as ('q_proj', 'v_proj').
        init: 'gaussian' (A normal with deviation 1 / rank, B zero) or 'kaiming'; either leaves the outputs
            as they were.
        train_also: parts trained in full besides the adapters, as beginnings of module names. Parts the
            network does not have are passed over: which of ours exist depends on its configuration.
    """

    rank: int = 32
    alpha: int = 16
    dropout: float = 0.0
    targets: str | tuple[str, ...] = ALL_LINEAR
    init: str = "gaussian"
    train_also: tuple[str, ...] = ("observation", "coupling_reasoning", "coupling_action", "flow_head")

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ValueError(f"rank and alpha must be at least 1, got {self.rank} and {self.alpha}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in 0 <= p < 1, got {self.dropout}")
        if self.init not in ("gaussian", "kaiming"):
            raise ValueError(f"init {self.init!r} is neither gaussian nor kaiming")
        if isinstance(self.targets, str) and self.targets != ALL_LINEAR:
            raise ValueError(
                f"targets must be {ALL_LINEAR!r} or endings of module names, got {self.targets!r}"
            )


def lora_targets(model: nn.Module, settings: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that get an adapter.

    Raises:
        AdapterError: an ending that fits no module.
    """
    linear = [
        name
        for name, module in model.named_modules()
        if name.startswith(PUBLIC_PARTS)
        and (
            isinstance(module, nn.Linear)
            or (name.endswith("patch_embed.proj") and isinstance(module, nn.Conv2d))
        )
    ]
    if isinstance(settings.targets, str):
        return tuple(linear)
    chosen = {ending: [n for n in linear if f".{n}".endswith(f".{ending}")] for ending in settings.targets}
    if nowhere := [ending for ending, names in chosen.items() if not names]:
        raise AdapterError(f"no linear layer is called {', '.join(nowhere)}")
    return tuple(name for name in linear if any(name in names for names in chosen.values()))


def add_lora(model: nn.Module, settings: LoraSettings | None = None) -> tuple[str, ...]:
    """Add adapters in place, freeze all else but `train_also`, and return the names of what is trained.

    Adapters keep single precision beside half-precision weights, as peft does for training.

    Raises:
        AdapterError: there are adapters already, or nothing to adapt.
    """
    settings = settings or LoraSettings()
    if next(lora_layers(model), None) is not None:
        raise AdapterError("the network has adapters already: merge or remove them first")
    targets = lora_targets(model, settings)
    if not targets:
        raise AdapterError("the network has no linear layer to adapt")
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(targets),
        init_lora_weights="gaussian" if settings.init == "gaussian" else True,
    )
    inject_adapter_in_model(config, model, _ADAPTER)
    for name, parameter in model.named_parameters():
        lora = _is_lora(name)
        if lora and parameter.dtype in (torch.float16, torch.bfloat16):
            parameter.data = parameter.data.float()
        parameter.requires_grad_(lora or _belongs(name, settings.train_also))
    return tuple(trainable_parameters(model))


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what an optimiser should get, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def merge_lora(model: nn.Module) -> None:
    """Fold the adapters into the weights: same outputs, no extra work per layer.

    Raises:
        AdapterError: no adapters, or a sum that is not finite.
    """
    for layer in _required(model):
        if not layer.merged:
            try:
                layer.merge(safe_merge=True)
            except ValueError as error:
                raise AdapterError(f"adapters cannot be merged: {error}") from error


def unmerge_lora(model: nn.Module) -> None:
    """Take the adapters out of the weights again, up to the rounding of one sum.

    Raises:
        AdapterError: no adapters.
    """
    for layer in _required(model):
        if layer.merged:
            layer.unmerge()


def remove_lora(model: nn.Module, *, merge: bool = True) -> None:
    """Leave plain layers under their plain names, with the adapters folded in or dropped.

    A network must be brought to this form before it is saved as a checkpoint or in the public format.

    Raises:
        AdapterError: no adapters.
    """
    if merge:
        merge_lora(model)
    else:
        unmerge_lora(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config


def save_adapter(directory: Path, model: nn.Module, settings: LoraSettings) -> None:
    """Write adapters and the parts trained besides, as two files that peft reads too.

    Args:
        directory: where to; made if absent.
        model: a network with adapters, merged or not.
        settings: those it was adapted with.

    Raises:
        AdapterError: no adapters.
    """
    next(_required(model))
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        _FILE_PREFIX + name.replace(f".{_ADAPTER}", ""): value.detach().contiguous().cpu()
        for name, value in model.named_parameters()
        if _is_lora(name) or _belongs(name, settings.train_also)
    }
    save_file(tensors, directory / ADAPTER_NAME, metadata={"format": "pt"})
    content = {
        "peft_type": "LORA",
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "init_lora_weights": "gaussian" if settings.init == "gaussian" else True,
        "target_modules": sorted(
            name for name, module in model.named_modules() if isinstance(module, LoraLayer)
        ),
        "kinevla": asdict(settings),
    }
    (directory / SETTINGS_NAME).write_text(json.dumps(content, indent=1) + "\n")


def load_adapter(directory: Path, model: nn.Module) -> LoraSettings:
    """Add the adapters `save_adapter` wrote to a network without any, and return their settings.

    Raises:
        AdapterError: missing or damaged files, or tensors that do not fit this network (listed).
    """
    directory = Path(directory)
    try:
        values = read_json(directory / SETTINGS_NAME)["kinevla"]
        listed: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        settings = LoraSettings(**listed)
        tensors = load_file(directory / ADAPTER_NAME)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise AdapterError(f"{directory} holds no adapter of this project: {error!r}") from error
    add_lora(model, settings)
    own = {
        _FILE_PREFIX + name.replace(f".{_ADAPTER}", ""): value
        for name, value in trainable_parameters(model).items()
    }
    problems = [f"{name} is missing" for name in own if name not in tensors]
    problems += [f"{name} is unknown" for name in tensors if name not in own]
    problems += [
        f"{name} is {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in tensors.items()
        if name in own and own[name].shape != value.shape
    ]
    if problems:
        remove_lora(model, merge=False)
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise AdapterError(f"{directory / ADAPTER_NAME} does not fit the network ({len(problems)}): {shown}")
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)
    return settings


def lora_layers(model: nn.Module) -> Iterator[LoraLayer]:
    """Iterate over the adapted layers."""
    return (module for module in model.modules() if isinstance(module, LoraLayer))


def _required(model: nn.Module) -> Iterator[LoraLayer]:
    layers = list(lora_layers(model))
    if not layers:
        raise AdapterError("the network has no adapters")
    return iter(layers)


def _is_lora(name: str) -> bool:
    return any(mark in name for mark in _LORA_MARKS)


def _belongs(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)
