"""Disturbance of demonstrations, so that they show how to recover (DART, Laskey et al. 2017).

The executed command is the reference plus a smooth random offset, the label stays the reference: wherever
the arm was pushed, the sample teaches the way back. The offset fades before the fingers close or open and
close to the table, where a push of a centimetre would spoil the demonstration instead of enriching it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.robot import JOINTS, tool_position_m


@dataclass(frozen=True)
class NoiseConfig:
    """Strength and shape of the disturbance."""

    share: float = 0.5  # share of episodes that are disturbed
    std_min_rad: float = 0.02  # least standard deviation of an episode's joint offsets
    std_max_rad: float = 0.06
    correlation_time_s: float = 0.5  # how long an offset lasts (Ornstein-Uhlenbeck time constant)
    quiet_before_s: float = 0.2  # no offset in this time before the gripper starts to move
    quiet_after_s: float = 0.2  # no offset in this time after it has stopped
    ramp_s: float = 0.6  # time over which the offset fades in and out
    floor_m: float = 0.01  # height of the tool centre above the table without any offset
    full_height_m: float = 0.06  # height from which the offset acts fully

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share must be in 0..1, got {self.share}")


def ornstein_uhlenbeck(
    rng: np.random.Generator, steps: int, dimensions: int, period_s: float, correlation_time_s: float
) -> NDArray[np.float64]:
    """Draw a smooth random path (steps, dimensions) of unit variance that starts at zero."""
    keep = float(np.exp(-period_s / correlation_time_s))
    kicks = rng.standard_normal((steps, dimensions)) * np.sqrt(1.0 - keep**2)
    path = np.zeros((steps, dimensions))
    for step in range(1, steps):
        path[step] = keep * path[step - 1] + kicks[step]
    return path


def noise_gain(reference: NDArray[np.floating], period_s: float, config: NoiseConfig) -> NDArray[np.float64]:
    """Return how strongly each step of a reference (T, 8) may be disturbed: (T,) in 0..1."""
    steps = len(reference)
    time_s = np.arange(steps) * period_s
    gain = np.ones(steps)
    moving = np.flatnonzero(np.abs(np.diff(reference[:, JOINTS])) > 1e-3) + 1
    for step in moving:
        before = (time_s[step] - time_s - config.quiet_before_s) / config.ramp_s
        after = (time_s - time_s[step] - config.quiet_after_s) / config.ramp_s
        gain = np.minimum(gain, np.clip(np.maximum(before, after), 0.0, 1.0))
    height = tool_position_m(reference[:, :JOINTS])[:, 2]
    by_height = (height - config.floor_m) / (config.full_height_m - config.floor_m)
    # The end is left in peace too: what counts there is where the object was put.
    by_end = (time_s[-1] - time_s) / config.ramp_s
    return np.minimum.reduce([gain, np.clip(by_height, 0.0, 1.0), np.clip(by_end, 0.0, 1.0)])


def disturbance(
    reference: NDArray[np.floating], period_s: float, config: NoiseConfig, seed: tuple[int, ...]
) -> NDArray[np.float64]:
    """Draw the offset for a reference trajectory.

    Args:
        reference: (T, 8) clean targets.

    Returns:
        (T, 8) to be added to the reference. The gripper's column is zero; an undisturbed episode is all zero.
    """
    rng = np.random.default_rng(seed)
    offset = np.zeros(reference.shape)
    if rng.random() >= config.share:
        return offset
    std = rng.uniform(config.std_min_rad, config.std_max_rad)
    path = ornstein_uhlenbeck(rng, len(reference), JOINTS, period_s, config.correlation_time_s)
    offset[:, :JOINTS] = std * path * noise_gain(reference, period_s, config)[:, None]
    return offset
