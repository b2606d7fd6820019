"""Low-rank adapters on every linear layer, as OpenVLA is fine-tuned (§4.1 of the paper: LoRA, rank 32).

The adapters live inside the network they were added to; its class and its calls stay the same. "All linear
layers" means what it meant in OpenVLA's runs, whose 110,828,288 trainable weights are matched to the digit:
every linear layer of both towers (their pooling head included), projector and language model, its output head
included, and the two convolutions that cut images into patches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from kinevla.backbone.openvla_weights import PUBLIC_PARTS

ADAPTER_NAME = "default"  # peft's name for the only adapter
# Parts trained in full besides the adapters; which of them a network has depends on its configuration.
TRAINED_ALSO = ("observation.", "coupling_reasoning.", "coupling_action.", "flow_head.")
_LORA_MARKS = ("lora_A.", "lora_B.")


class AdapterError(RuntimeError):
    """Adapters are present twice, or have no place in this network; the text says which."""


@dataclass(frozen=True)
class LoraSettings:
    """How a network is adapted."""

    rank: int = 32  # inner width of each adapter
    alpha: int = 16  # adapters are scaled by alpha / rank
    dropout: float = 0.0  # share of an adapter's inputs dropped in training

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ValueError(f"rank and alpha must be at least 1, got {self.rank} and {self.alpha}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in 0 <= p < 1, got {self.dropout}")


def lora_targets(model: nn.Module) -> list[str]:
    """Return the full names of the modules that get an adapter."""
    return [
        name
        for name, module in model.named_modules()
        if name.startswith(PUBLIC_PARTS)
        and (
            isinstance(module, nn.Linear)
            or (name.endswith("patch_embed.proj") and isinstance(module, nn.Conv2d))
        )
    ]


def add_lora(model: nn.Module, settings: LoraSettings | None = None) -> tuple[str, ...]:
    """Add adapters in place, freeze all else but `TRAINED_ALSO`, and return the names of what is trained.

    Adapters keep single precision beside half-precision weights, as peft does for training.

    Raises:
        AdapterError: there are adapters already, or nothing to adapt.
    """
    settings = settings or LoraSettings()
    if next(lora_layers(model), None) is not None:
        raise AdapterError("the network has adapters already")
    targets = lora_targets(model)
    if not targets:
        raise AdapterError("the network has no linear layer to adapt")
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        init_lora_weights="gaussian",  # A normal with deviation 1 / rank, B zero: outputs stay as they were
    )
    inject_adapter_in_model(config, model, ADAPTER_NAME)
    for name, parameter in model.named_parameters():
        lora = any(mark in name for mark in _LORA_MARKS)
        if lora and parameter.dtype in (torch.float16, torch.bfloat16):
            parameter.data = parameter.data.float()
        parameter.requires_grad_(lora or name.startswith(TRAINED_ALSO))
    return tuple(trainable_parameters(model))


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what an optimiser should get, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def lora_layers(model: nn.Module) -> Iterator[LoraLayer]:
    """Iterate over the adapted layers."""
    return (module for module in model.modules() if isinstance(module, LoraLayer))
