"""How long the next chunk will take, from those before it."""

from __future__ import annotations

from collections import deque


class LatencyPredictor:
    """A running upper quantile: most chunks shall be there in time, not only half of them.

    Args:
        quantile: share of the recent latencies that the prediction covers, 0..1.
        first_s: prediction before anything was measured.
        kept: how many recent latencies count.
    """

    def __init__(self, quantile: float = 0.9, first_s: float = 0.2, kept: int = 20) -> None:
        if not 0.0 <= quantile <= 1.0:
            raise ValueError(f"quantile is {quantile}, must be within [0, 1]")
        self._quantile, self._first_s = quantile, first_s
        self._recent: deque[float] = deque(maxlen=kept)

    def add(self, latency_s: float) -> None:
        """Take the latency of one chunk, from the look to the sending."""
        self._recent.append(latency_s)

    def predict_s(self) -> float:
        """Latency to reckon with, s."""
        if not self._recent:
            return self._first_s
        ordered = sorted(self._recent)
        return ordered[min(len(ordered) - 1, int(self._quantile * len(ordered)))]
