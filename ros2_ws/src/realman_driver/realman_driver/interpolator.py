"""From a chunk to the setpoint of this moment: straight lines between points, then holding the last one."""

from __future__ import annotations

from bisect import bisect_left

from .arm_model import JOINT_COUNT
from .chunk_check import Chunk

Setpoint = tuple[float, ...]


class Interpolator:
    """Holds a setpoint, or walks along a chunk from it.

    A new chunk starts at the setpoint of the moment, so replacing a running one makes no jump.

    Args:
        setpoint: (8,) where to hold until the first chunk: 7 joints in rad and the gripper opening.
    """

    def __init__(self, setpoint: Setpoint) -> None:
        self._setpoint = setpoint
        self._times_s: tuple[float, ...] = ()
        self._points: tuple[Setpoint, ...] = ()
        self._elapsed_s = 0.0
        self._gripper_target: float | None = None

    @property
    def setpoint(self) -> Setpoint:
        """(8,) the setpoint of the moment."""
        return self._setpoint

    @property
    def active(self) -> bool:
        """Whether points of a chunk are still ahead."""
        return bool(self._times_s) and self._elapsed_s < self._times_s[-1]

    @property
    def gripper_target(self) -> float | None:
        """Opening of the chunk point being approached (of the last one after the end); None before any chunk.

        The gripper gets the value at the start of a segment, as it needs that time to get there.
        """
        return self._gripper_target

    def load(self, chunk: Chunk) -> None:
        """Replace what is left of the running chunk by this one, from the present setpoint."""
        self._times_s = (0.0, *chunk.times_s)
        self._points = (self._setpoint, *chunk.points)
        self._elapsed_s = 0.0
        self._gripper_target = chunk.points[0][JOINT_COUNT]

    def advance(self, step_s: float) -> Setpoint:
        """Move on by `step_s` seconds and return the (8,) setpoint then."""
        if not self._times_s:
            return self._setpoint
        self._elapsed_s += step_s
        index = bisect_left(self._times_s, self._elapsed_s)
        if index >= len(self._times_s):
            self._setpoint = self._points[-1]
            self._gripper_target = self._points[-1][JOINT_COUNT]
            return self._setpoint
        index = max(1, index)
        start_s, end_s = self._times_s[index - 1], self._times_s[index]
        share = (self._elapsed_s - start_s) / (end_s - start_s)
        start, end = self._points[index - 1], self._points[index]
        self._setpoint = tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))
        self._gripper_target = end[JOINT_COUNT]
        return self._setpoint
