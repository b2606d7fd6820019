"""Whether a network fits before it is built."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

# Activations, caches and the library itself, on top of the weights.
_OVERHEAD = 1.15
GIB = 2**30


class MemoryEstimateError(RuntimeError):
    """A network will not fit; the text has the estimate and what there is."""


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters; works on meta tensors."""
    return sum(parameter.numel() for parameter in model.parameters())


def required_bytes(parameters: int, dtype: torch.dtype) -> int:
    """Estimate the memory of inference: weights, and 15 % for all else."""
    return int(parameters * dtype.itemsize * _OVERHEAD)


def available_bytes(device: torch.device) -> int:
    """Return what a device has to give now.

    Raises:
        MemoryEstimateError: the system does not say.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration) as error:
        raise MemoryEstimateError("the system does not tell its free memory; use --force") from error


def require_memory(name: str, parameters: int, dtype: torch.dtype, device: torch.device) -> None:
    """Refuse a network that will not fit.

    Raises:
        MemoryEstimateError: with the estimate and what is available.
    """
    needed, there = required_bytes(parameters, dtype), available_bytes(device)
    if needed > there:
        raise MemoryEstimateError(
            f"{name} with {parameters:,} parameters in {str(dtype).removeprefix('torch.')} needs about "
            f"{needed / GIB:.1f} GiB on {device}, {there / GIB:.1f} GiB are available; --force tries anyway"
        )
