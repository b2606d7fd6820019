"""Writes the policy of a run as a checkpoint, without changing the network that is being trained."""

from __future__ import annotations

import os
import shutil
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from kinevla.backbone.lora import ADAPTER_NAME
from kinevla.backbone.model import KineVLAModel
from kinevla.checkpoint import CheckpointParts, save_checkpoint
from kinevla.training.calibration import doubt_limit_nat
from kinevla.training.policy_run import PolicyRun


@torch.no_grad()
def plain_state(model: KineVLAModel) -> dict[str, Tensor]:
    """Return the weights under their plain names on the CPU, adapters folded in.

    Folding the adapters into the network itself and taking them out again would change its weights by the
    rounding of a sum each time; here the sums are formed beside it.
    """
    state: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module  # peft declares these methods on the classes below LoraLayer only.
            base = layer.get_base_layer()
            weight = base.weight.float() + layer.get_delta_weight(ADAPTER_NAME).float()
            state[f"{name}.weight"] = weight.to(base.weight.dtype).cpu()
            if base.bias is not None:
                state[f"{name}.bias"] = base.bias.detach().cpu()
    adapted = tuple(name for name, module in model.named_modules() if isinstance(module, LoraLayer))
    for name, value in model.state_dict().items():
        if not name.startswith(tuple(f"{layer}." for layer in adapted)):
            state[name] = value.cpu()
    return state


def export_policy(run: PolicyRun, report: dict[str, Any], name: str) -> None:
    """Write `out/name` as a loadable checkpoint; the one that is there is replaced only by a whole one."""
    out = run.config.out
    with torch.device("meta"):
        plain = KineVLAModel(run.model.config, run.model.pad_id)
    plain.load_state_dict(plain_state(run.model), assign=True)
    training = {
        "policy": report,
        "data": {key: value for key, value in run.data_summary.items() if key not in ("entries", "dropped")},
        "batch_size": run.config.batch_size,
        "threads": run.config.threads,
        "tasks": list(run.data.instructions),
    }
    inputs = {"data": run.config.data, "base": run.config.base}
    fresh, old = out / f".{name}.new", out / f".{name}.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    save_checkpoint(
        fresh,
        CheckpointParts(
            model=plain,
            builder=run.builder,
            action_tokenizer=run.tokenizer,
            action_tokenizer_directory=run.config.tokenizer,
            texts=run.data.texts,
            images=run.images,
            doubt_limit_nat=doubt_limit_nat(run),
        ),
        training,
        settings=run.config,
        inputs={role: path for role, path in inputs.items() if path is not None},
    )
    if (out / name).exists():
        os.rename(out / name, old)
    os.rename(fresh, out / name)
    shutil.rmtree(old, ignore_errors=True)
