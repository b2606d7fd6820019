"""The moments of a demonstration that its way is made for: where the hand closes, where it opens, the end.

Nobody has to mark them. Where the arm stands there tells at every frame before what its words decide on, also
while the next few frames do not (James and Davison 2022, arXiv:2105.14829, use the same moments).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinevla.data.episode import Episode

_LEAST_TRAVEL = 0.2  # What a gripper that is not used trembles is no opening


def next_keyframes(episode: Episode, grippers: Sequence[int]) -> NDArray[np.int64]:
    """Return of each frame (T,) the number of the next keyframe, behind the last one the last frame.

    Args:
        grippers: dimensions that open and close a hand. A keyframe is where the reference of one of them
            passes the middle between the widest and the narrowest of the episode.
    """
    frames = len(episode)
    found = np.full(frames, frames - 1)
    told = episode.target[:, list(grippers)]
    low, high = told.min(0), told.max(0)
    open_hand = (told > (low + high) / 2) & (high - low > _LEAST_TRAVEL)
    changes = np.flatnonzero((open_hand[1:] != open_hand[:-1]).any(1)) + 1
    for change in changes[::-1]:
        found[:change] = change
    return found
