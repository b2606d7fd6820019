"""Success rates and their differences with intervals that know that trials share scenes.

Trials on one scene (one seed: the same placement, light and cameras under several tasks) succeed and fail
together, so seven tasks on twenty scenes are worth less than 140 independent trials. What is resampled is
therefore the scene with all its trials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap

CONFIDENCE = 0.95
RESAMPLES = 9999
BOOTSTRAP, WILSON = "bootstrap over scenes", "Wilson, a scene counted as one trial"
MARK = "*"  # Stands behind an interval that is not resampled
FOOTNOTE = (
    f"{MARK} fewer scenes differ than a bootstrap needs: Wilson's interval, each scene counted as one trial"
)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the Wilson score 95 % interval of a rate from independent trials."""
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Rate:
    """A success rate."""

    successes: int
    trials: int
    scenes: int  # on how many different scenes
    rate: float
    low: float  # lower end of the 95 % interval
    high: float
    method: str  # `BOOTSTRAP`, or `WILSON` where scenes are too much alike to be resampled

    @classmethod
    def of(cls, outcomes: Sequence[bool], scenes: Sequence[Hashable]) -> Rate:
        """Count outcomes (at least one); `scenes` names the scene of each.

        Raises:
            ValueError: no outcomes, or another number of scenes.
        """
        sums, counts = _by_scene(np.asarray(outcomes, dtype=np.float64), scenes)
        rate = float(sums.sum() / counts.sum())
        if _too_alike(sums / counts):
            (low, high), method = wilson_interval(round(rate * len(counts)), len(counts)), WILSON
        else:
            (low, high), method = _resampled(sums, counts), BOOTSTRAP
        return cls(int(sums.sum()), len(outcomes), len(counts), rate, low, high, method)

    def text(self) -> str:
        """Write as ``17/20 85 % [64, 95]``, with a mark behind an interval that is not resampled."""
        return (
            f"{self.successes}/{self.trials} {100 * self.rate:.0f} % "
            f"[{100 * self.low:.0f}, {100 * self.high:.0f}]{MARK if self.method == WILSON else ''}"
        )


@dataclass(frozen=True)
class Difference:
    """A success rate less another one on the same trials."""

    change: float  # difference of the rates, -1..1
    low: float  # lower end of the 95 % interval
    high: float
    trials: int
    scenes: int
    # as in `Rate`; instead of resampling, the two Wilson intervals are combined (Newcombe 1998, method 10),
    # which makes no use of the pairing
    method: str

    @classmethod
    def of(cls, first: Sequence[bool], second: Sequence[bool], scenes: Sequence[Hashable]) -> Difference:
        """Compare paired outcomes, second less first; `scenes` names the scene of each pair.

        Raises:
            ValueError: no pairs, or lists of different length.
        """
        if len(first) != len(second):
            raise ValueError(f"paired outcomes must be equally many: {len(first)}, {len(second)}")
        before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
        sums, counts = _by_scene(after - before, scenes)
        change = float(sums.sum() / counts.sum())
        if _too_alike(sums / counts):
            (low, high), method = _newcombe(before.mean(), after.mean(), len(counts)), WILSON
        else:
            (low, high), method = _resampled(sums, counts), BOOTSTRAP
        return cls(change, low, high, len(first), len(counts), method)

    def text(self) -> str:
        """Write as ``-2.9 points [-8.6, +0.0]``, marked like `Rate.text`."""
        mark = MARK if self.method == WILSON else ""
        return f"{100 * self.change:+.1f} points [{100 * self.low:+.1f}, {100 * self.high:+.1f}]{mark}"


def _by_scene(
    values: NDArray[np.float64], scenes: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of the values and their number for each scene: (S,), (S,)."""
    if len(values) != len(scenes) or not len(values):
        raise ValueError(f"need an outcome and its scene, at least once: {len(values)}, {len(scenes)}")
    places = {scene: place for place, scene in enumerate(dict.fromkeys(scenes))}
    rows = np.array([places[scene] for scene in scenes])
    return np.bincount(rows, weights=values).astype(np.float64), np.bincount(rows).astype(np.float64)


def _too_alike(means: NDArray[np.float64]) -> bool:
    """Tell whether more resamples than one end leaves out would hold equal scenes only.

    The end of a resampled interval is then a gap in the data and no estimate: with 139 successes of 140 on 20
    scenes it would be 100 %, with 140 of 140 both ends would.
    """
    most = Counter(np.round(means, 9).tolist()).most_common(1)[0][1]
    return bool((most / len(means)) ** len(means) > (1.0 - CONFIDENCE) / 2.0)


def _resampled(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float]:
    """Return the percentile interval of sum / count over resampled scenes."""
    found = bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _newcombe(first: float, second: float, scenes: int) -> tuple[float, float]:
    """Return the interval of second - first from the Wilson intervals of both."""
    (low_1, high_1), (low_2, high_2) = (
        wilson_interval(round(rate * scenes), scenes) for rate in (first, second)
    )
    change = second - first
    return (
        max(-1.0, change - hypot(second - low_2, high_1 - first)),
        min(1.0, change + hypot(high_2 - second, first - low_1)),
    )
