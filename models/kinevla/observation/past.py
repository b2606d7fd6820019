"""States at the earlier plans of an instruction, for a network that remembers them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_PAST: NDArray[np.float64] = np.zeros((0, 0))
"""At the start of an instruction."""


def remembered(past: NDArray[np.float64], state: NDArray[np.float64], moments: int) -> NDArray[np.float64]:
    """Return the latest `moments` states (K, D), the newest first: `state` (D,), then those of `past`."""
    newest = np.asarray(state, dtype=np.float64)[None]
    return np.concatenate([newest, past])[:moments] if past.size else newest[:moments]


def past_inputs(past: NDArray[np.float64], moments: int, state_dim: int) -> Tensor:
    """Turn remembered states (K, D) into what the network reads: (1, moments, D) float32, NaN behind them."""
    states = np.full((1, moments, state_dim), np.nan, dtype=np.float32)
    if past.size:
        states[0, : len(past)] = past[:moments]
    return torch.from_numpy(states)
