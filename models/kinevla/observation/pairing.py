"""Which front image, wrist image and joint state belong together: one rule, live and in recordings.

Of the latest few frames of each camera the newest pair whose capture times are close, and with it the joint
state nearest to the older of the two. A data set made by another rule would teach the policy to answer what
it will never see.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

NS_PER_S = 1_000_000_000
FRAMES_KEPT = 4  # As many frames of each camera are looked at


class Places(NamedTuple):
    """Where in their sequences the images and the joint state are that belong together."""

    front: int
    wrist: int
    state: int


def choose(
    front: Sequence[int],
    wrist: Sequence[int],
    states: Sequence[int],
    *,
    max_pair_gap_s: float = 0.04,
    max_state_gap_s: float = 0.05,
    not_before_ns: int = 0,
) -> Places | str:
    """Choose the newest images and joint state that belong together.

    Args:
        front: capture times of the latest `FRAMES_KEPT` frames, rising, ns.
        states: times of joint states, rising, ns.
        max_pair_gap_s: largest difference of the capture times of the two images.
        max_state_gap_s: largest distance between the older image and its joint state.

    Returns:
        Their places, or in words why there are none.
    """
    named = {
        "image from the front camera": front,
        "image from the wrist camera": wrist,
        "joint state": states,
    }
    if missing := [name for name, stamps in named.items() if not stamps]:
        return f"no {missing[0]} yet"
    pairs = [(min(f, w), -abs(f - w), i, j) for i, f in enumerate(front) for j, w in enumerate(wrist)]
    close = [p for p in pairs if -p[1] <= int(max_pair_gap_s * NS_PER_S) and p[0] >= not_before_ns]
    if not close:
        gap_s = min(-p[1] for p in pairs) / NS_PER_S
        return f"the closest front and wrist images are {gap_s:.3f} s apart, bound {max_pair_gap_s:.3f} s"
    # Of equally new and equally close pairs the first one.
    stamp_ns, _, i, j = max(close, key=lambda p: p[:2])
    state = _nearest(states, stamp_ns)
    gap_ns = abs(states[state] - stamp_ns)
    if gap_ns > int(max_state_gap_s * NS_PER_S):
        return (
            f"the joint state nearest to the images is {gap_ns / NS_PER_S:.3f} s away, "
            f"bound {max_state_gap_s:.3f} s"
        )
    return Places(i, j, state)


def _nearest(stamps: Sequence[int], time_ns: int) -> int:
    """Return the place of the nearest of rising stamps, of two equally near the older."""
    after = bisect_left(stamps, time_ns)
    if after in (0, len(stamps)):
        return max(0, after - 1)
    return after - (time_ns - stamps[after - 1] <= stamps[after] - time_ns)
