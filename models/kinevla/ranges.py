"""Ranges of motion: what an encoder trembles is none, and what moves rarely belongs to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MIN_SPAN = 0.01
"""Least span of a dimension that counts as motion, rad or the unit of the action.

The arm's encoders count in steps of 0.001 degrees, 1.7e-5 rad, and what stands still is measured some dozens
of steps apart. Scaled to -1..1, such a range would make thousands of the first real motion.
"""
_QUANTILES = (0.01, 0.99)
_RARE_QUANTILES = (0.0005, 0.9995)


def floored(low: Array, high: Array) -> tuple[Array, Array]:
    """Widen ranges (D,) below `MIN_SPAN` around their middle; a range without any span stays as it is."""
    narrow = (high > low) & (high - low < MIN_SPAN)
    middle = (low + high) / 2.0
    return np.where(narrow, middle - MIN_SPAN / 2, low), np.where(narrow, middle + MIN_SPAN / 2, high)


def quantile_range(values: Array) -> tuple[Array, Array]:
    """Return the 1 % and 99 % quantiles of (N, D) values, further out where rare motion lies beyond them.

    A tail thins out within the span of the quantiles. What lies further away than that span, in more than
    one of two thousand values, is motion that happens rarely, as a knob's turn: clipped, it would be lost.
    """
    low, high = np.quantile(values, _QUANTILES, axis=0)
    rare_low, rare_high = np.quantile(values, _RARE_QUANTILES, axis=0)
    span = np.maximum(high - low, MIN_SPAN)
    return (
        np.where(low - rare_low > span, rare_low, low),
        np.where(rare_high - high > span, rare_high, high),
    )


def remarks(values: Array) -> tuple[str, ...]:
    """Say of each dimension of (N, D) values what a range made of them has to mind, "" for nothing."""
    low, high = values.min(axis=0), values.max(axis=0)
    inner_low, inner_high = np.quantile(values, _QUANTILES, axis=0)
    outer_low, outer_high = quantile_range(values)
    said = []
    for d in range(values.shape[1]):
        if high[d] == low[d]:
            said.append("never moves")
        elif high[d] - low[d] < MIN_SPAN:
            said.append(f"stands still: trembles by {high[d] - low[d]:.2g}, scaled as {MIN_SPAN:g}")
        elif outer_low[d] < inner_low[d] or outer_high[d] > inner_high[d]:
            said.append(f"moves rarely: quantiles reach from {outer_low[d]:.4f} to {outer_high[d]:.4f}")
        else:
            said.append("")
    return tuple(said)
