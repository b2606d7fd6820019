"""Rectified flow between noise and actions (Liu et al. 2022, Lipman et al. 2022), as pi0 uses it.

Time runs from 1 (pure noise) to 0 (actions), the convention of the published pi0 code; the pi0 paper counts
the other way round. On the straight path ``x_t = t * noise + (1 - t) * actions`` the velocity ``dx/dt`` is
``noise - actions``; a network learns its mean given x_t, and integrating that velocity from 1 down to 0
carries noise to actions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]


def sample_times(count: int, alpha: float, floor: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw times ``floor + (1 - floor) * Beta(alpha, 1)``; pi0 has alpha 1.5 and floor 0.001.

    Beta(alpha, 1) has the distribution function u^alpha, so its inverse needs a uniform number only.

    Args:
        alpha: above 1 favours noisy chunks.
        generator: on the CPU; None for the global one.

    Returns:
        (B,) in [floor, 1), on the CPU.
    """
    return floor + (1.0 - floor) * torch.rand(count, generator=generator) ** (1.0 / alpha)


def interpolate(noise: Tensor, actions: Tensor, time: Tensor) -> Tensor:
    """Return the point x_t of the straight path: noise and actions (B, T, D), time (B,) -> (B, T, D)."""
    share = time[:, None, None]
    return share * noise + (1.0 - share) * actions


def velocity_target(noise: Tensor, actions: Tensor) -> Tensor:
    """Return dx/dt of the straight path, the same at every time: (B, T, D)."""
    return noise - actions


def flow_loss(velocity: Velocity, actions: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Mean squared error of a velocity field on the straight paths of a batch, a scalar.

    Args:
        velocity: maps x_t (B, T, D) and time (B,) to dx/dt (B, T, D).
        actions: (B, T, D) normalised chunks.
        noise: (B, T, D) standard normal.
        time: (B,) in 0..1.
    """
    predicted = velocity(interpolate(noise, actions, time), time)
    return F.mse_loss(predicted.float(), velocity_target(noise, actions))


def integrate(velocity: Velocity, noise: Tensor, steps: int) -> Tensor:
    """Carry noise (B, T, D) from time 1 to 0 with Euler steps of equal length: (B, T, D)."""
    point = noise
    for step in range(steps):
        time = torch.full((len(noise),), 1.0 - step / steps, dtype=noise.dtype, device=noise.device)
        point = point - velocity(point, time) / steps
    return point
