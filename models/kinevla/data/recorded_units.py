"""Recorded joints and grippers as this project has them: radians, and an opening of 0 closed to 1 open."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

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


Meaning = Literal["auto", "minus_one_opens", "one_opens", "one_closes"]
_SLACK = 0.05
_HALF = 0.5
_METRES = 0.12
_MOVES = 0.005


def opening(
    values: NDArray[np.float64], closed: float, opened: float | None, what: str
) -> NDArray[np.float64]:
    """Map recorded positions (T,) to openings, 0 closed to 1 open; 1 means open where nothing is said.

    Raises:
        DataError: values beyond closed and open, or ones that look like metres.
    """
    told = "say what they mean with --gripper-closed and --gripper-open"
    low, high = float(values.min()), float(values.max())
    if opened is None and closed == 0.0 and high - low > _MOVES and low >= 0.0 and high <= _METRES:
        raise DataError(
            f"the gripper positions of {what} run {low:.4g}..{high:.4g}, which looks like metres and not "
            f"like 0 closed to 1 open: {told} (--gripper-open 1 when they are right)"
        )
    span = (1.0 if opened is None else opened) - closed
    mapped = np.asarray((values - closed) / span, dtype=np.float64)
    if mapped.min() < -_SLACK or mapped.max() > 1.0 + _SLACK:
        raise DataError(
            f"the gripper positions of {what} run {low:.4g}..{high:.4g}, the bounds are {closed:g} closed "
            f"and {closed + span:g} open: {told}"
        )
    return mapped


def check_commands(path: Path, commands: NDArray[np.float64]) -> None:
    """Refuse a file whose gripper commands have another range than LIBERO's: which end opens is not in it.

    Raises:
        DataError: naming the range found.
    """
    if len(commands) and 0.0 <= commands.min() < _HALF:
        raise DataError(
            f"{path}: its gripper commands run {commands.min():g}..{commands.max():g} and not from -1 (open) "
            "to 1 (closed): say what they mean with --gripper one_opens, one_closes or minus_one_opens"
        )


def command_opening(commands: NDArray[np.float64], meaning: Meaning) -> NDArray[np.float64]:
    """Return gripper commands (T, 1) as 0 closed to 1 open.

    Raises:
        ValueError: commands out of bounds, or of a meaning that must be said.
    """
    low, high = float(commands.min()), float(commands.max())
    if meaning in ("auto", "minus_one_opens"):
        if max(-low, high) > 1.0:
            raise ValueError(f"a gripper command is {max(-low, high):.3f}, bound 1")
        return (1.0 - commands) / 2.0
    if low < 0.0 or high > 1.0:
        raise ValueError(f"the gripper commands run {low:g}..{high:g}, the bounds are 0 and 1")
    return commands if meaning == "one_opens" else 1.0 - commands
