"""Timing on devices that work ahead of the program."""

from __future__ import annotations

import torch


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; to be called before a clock is read. Nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
