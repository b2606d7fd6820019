"""A running mean of the weights: steadier than the weights of any one step, and free at run time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential running mean of some parameters.

    Args:
        parameters: by name; they go on being trained.
        decay: of the mean per step; 0 follows the parameters exactly. The first steps count more, so that
            the mean does not remember where the weights began.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay = decay
        self._mean = (
            {name: value.detach().clone() for name, value in self._parameters.items()} if decay else {}
        )

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        if self._mean:
            decay = min(self._decay, (1.0 + step) / (10.0 + step))
            torch._foreach_lerp_(list(self._mean.values()), list(self._parameters.values()), 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the parameters be the mean for a while."""
        with torch.no_grad():
            own = {name: self._parameters[name].detach().clone() for name in self._mean}
            for name, value in self._mean.items():
                self._parameters[name].copy_(value)
            try:
                yield
            finally:
                for name, value in own.items():
                    self._parameters[name].copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Return the mean on the CPU, by name."""
        return {name: value.cpu() for name, value in self._mean.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up a mean from `state`."""
        for name, value in self._mean.items():
            value.copy_(state[name])
