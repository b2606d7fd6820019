"""Success rates with honest intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

Z_95 = 1.959963984540054


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a rate; the default z gives 95 %.

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials is not a rate")
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Rate:
    """A success rate.

    Attributes:
        successes: how many.
        trials: of how many.
        rate: their quotient.
        low: lower end of the Wilson 95 % interval.
        high: upper end.
    """

    successes: int
    trials: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, outcomes: Sequence[bool]) -> Rate:
        """Count outcomes (at least one)."""
        successes, trials = sum(bool(item) for item in outcomes), len(outcomes)
        return cls(
            successes, trials, successes / trials if trials else 0.0, *wilson_interval(successes, trials)
        )

    def text(self) -> str:
        """Write as ``17/20 85 % [64, 95]``."""
        return (
            f"{self.successes}/{self.trials} {100 * self.rate:.0f} % "
            f"[{100 * self.low:.0f}, {100 * self.high:.0f}]"
        )


def paired_difference(
    first: Sequence[bool], second: Sequence[bool], *, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the difference of two success rates on the same trials with a bootstrap 95 % interval.

    Args:
        first: outcomes of one method.
        second: outcomes of the other on the same tasks and seeds, in the same order.
        resamples: bootstrap samples of the pairs.
        seed: of the resampling.

    Returns:
        (second - first, lower end, upper end).

    Raises:
        ValueError: different or zero numbers of trials.
    """
    if len(first) != len(second) or not first:
        raise ValueError(
            f"paired outcomes must be equally many and at least one: {len(first)}, {len(second)}"
        )
    change = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(len(change), size=(resamples, len(change)))
    low, high = np.quantile(change[rows].mean(1), [0.025, 0.975])
    return float(change.mean()), float(low), float(high)
