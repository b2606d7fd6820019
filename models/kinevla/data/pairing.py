"""Which images and which joint state belong together: the rule of the live policy, for recordings.

The live policy keeps the latest few frames of each camera and takes the newest pair whose capture times are
close; with it goes the joint state nearest to the older of the two. A data set made by another rule would
teach the policy to answer what it will never see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# As many frames as the live policy keeps for each camera.
FRAMES_KEPT = 4
Stamps = NDArray[np.int64]


def newest_pair(
    first: Stamps, second: Stamps, until_ns: int, max_gap_ns: int
) -> tuple[tuple[int, int] | None, int]:
    """Choose from two rising lists of capture times, ns, what is newest at a moment.

    Args:
        first: of one camera.
        second: of the other.
        until_ns: later frames do not exist yet.
        max_gap_ns: largest difference of the two.

    Returns:
        The indices of the pair, None where no two are close, and the least difference there is, ns.

    Raises:
        ValueError: a camera has no frame yet.
    """
    ends = [int(np.searchsorted(stamps, until_ns, side="right")) for stamps in (first, second)]
    if not min(ends):
        raise ValueError("a camera has no frame yet")
    pairs = [
        (min(first[i], second[j]), -abs(first[i] - second[j]), i, j)
        for i in range(max(0, ends[0] - FRAMES_KEPT), ends[0])
        for j in range(max(0, ends[1] - FRAMES_KEPT), ends[1])
    ]
    gap_ns = int(min(-pair[1] for pair in pairs))
    if gap_ns > max_gap_ns:
        return None, gap_ns
    # Of equally new and equally close pairs the live policy takes the one it meets first.
    best = max((p for p in pairs if -p[1] <= max_gap_ns), key=lambda p: p[:2])
    return (best[2], best[3]), gap_ns


def nearest(times_ns: Stamps, stamps: Stamps) -> NDArray[np.int64]:
    """Return for each time the index of the nearest of the rising `stamps`, of two equally near the older."""
    after = np.clip(np.searchsorted(stamps, times_ns), 1, max(1, len(stamps) - 1))
    before_is_nearer = times_ns - stamps[after - 1] <= stamps[np.minimum(after, len(stamps) - 1)] - times_ns
    return np.where(before_is_nearer, after - 1, np.minimum(after, len(stamps) - 1))
