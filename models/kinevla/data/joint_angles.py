"""Whether recorded joint positions are angles in radians, as ROS has it (REP 103)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kinevla.data.packing import DataError

_TURN_RAD = 2.0 * math.pi + 0.05  # No joint of an arm turns further; the rest is for noise at the end stop.


def check_radians(angles: NDArray[np.float64], what: str) -> None:
    """Refuse positions (T, D) beyond a whole turn: they are degrees, or another unit.

    Raises:
        DataError: naming joint, value and bound.
    """
    if abs(angles).max(initial=0.0) <= _TURN_RAD:
        return
    row, joint = np.unravel_index(int(abs(angles).argmax()), angles.shape)
    raise DataError(
        f"joint {joint + 1} of {what} reaches {angles[row, joint]:.4g}, bound {_TURN_RAD:.2f} rad: are these "
        "degrees? JointState holds radians"
    )
