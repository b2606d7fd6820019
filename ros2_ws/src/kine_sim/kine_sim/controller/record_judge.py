"""What a record of the measured joints says: which parts of it count, and when the arm moved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_STALL_S, _PAUSE_S = 0.03, 0.4


def undisturbed(times_s: Sequence[float], arrivals_s: Sequence[float]) -> list[slice]:
    """Parts of a record without a stall of this computer, which no robot's controller would have.

    Frames that wait for a stalled emulator, or a loop that does not run, make a jump out of a steady motion.

    Args:
        times_s: (N,) of the record, increasing.
        arrivals_s: times at which frames arrived, increasing.
    """
    stalls = [
        (before, after)
        for series in (times_s, arrivals_s)
        for before, after in pairwise(series)
        if _STALL_S < after - before < _PAUSE_S
    ]
    parts, begin = [], 0
    for index, time_s in enumerate(times_s):
        if any(before - 0.1 < time_s < after + 0.3 for before, after in stalls):
            if index > begin:
                parts.append(slice(begin, index))
            begin = index + 1
    return [*parts, slice(begin, len(times_s))]


def last_motion_s(
    times_s: Sequence[float], joints_rad: NDArray[np.float64], window_s: float = 0.1, moved_rad: float = 2e-3
) -> float:
    """The last time at which a joint moved by `moved_rad` within a window; the record's begin if none did.

    Args:
        times_s: (N,) increasing, s.
        joints_rad: (N, 7).
        window_s, moved_rad: what counts as motion.
    """
    times = np.asarray(times_s)
    earlier = np.maximum(np.searchsorted(times, times - window_s), 0)
    moved = np.abs(joints_rad - joints_rad[earlier]).max(axis=1) > moved_rad
    return float(times[np.flatnonzero(moved)[-1]] if moved.any() else times[0])
