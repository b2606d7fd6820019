"""When an instruction is done: the policy has moved nothing for some chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinevla_policy.observation_buffer import NS_PER_S

_GRIPPER_MOTION = 0.1


class RestWatch:
    """Counts chunks of rest and the time they cover.

    Chunks that overlap see the same moment several times, so their number alone does not tell how long the
    policy has rested: the observations must also span as much time as if the chunks had been played in turn.

    Args:
        motion_rad: a chunk that moves no joint further from the measured pose counts as rest.
        chunks: so many of them.
    """

    def __init__(self, motion_rad: float, chunks: int) -> None:
        self._motion_rad, self._chunks = motion_rad, chunks
        self.resting = 0
        self._since_ns = 0

    def done(
        self, actions: NDArray[np.float64], state: NDArray[np.float64], stamp_ns: int, chunk_s: float
    ) -> bool:
        """Take the next chunk, (T, 8) targets from the (8,) state at `stamp_ns`; True when it is the last."""
        away = np.abs(np.asarray(actions) - state)
        if away[:, :7].max() > self._motion_rad or away[:, 7].max() > _GRIPPER_MOTION:
            self.resting = 0
            return False
        if self.resting == 0:
            self._since_ns = stamp_ns
        self.resting += 1
        rested_s = (stamp_ns - self._since_ns) / NS_PER_S
        return self.resting >= self._chunks and rested_s >= (self._chunks - 1) * chunk_s - 1e-6
