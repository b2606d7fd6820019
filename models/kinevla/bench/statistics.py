"""Medians, percentiles and intervals of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """A sample of times."""

    median: float  # half of the values are below
    p90: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise values."""
        sample = np.asarray(values, dtype=np.float64)
        return cls(float(np.median(sample)), float(np.percentile(sample, 90)), len(sample))


@dataclass(frozen=True)
class Ratio:
    """How many times faster one thing is than another."""

    value: float  # median of the slow times over median of the fast times
    low: float  # lower end of the 95 % interval
    high: float


def ratio_of_medians(
    slow: Sequence[float], fast: Sequence[float], *, resamples: int = 4000, seed: int = 0
) -> Ratio:
    """Compare paired times, a pair for each repetition, by a percentile bootstrap over the pairs."""
    a, b = np.asarray(slow, dtype=np.float64), np.asarray(fast, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(a), (resamples, len(a)))
    drawn = np.median(a[rows], axis=1) / np.median(b[rows], axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Ratio(float(np.median(a) / np.median(b)), float(low), float(high))
