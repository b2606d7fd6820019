"""Between the policy's joints and those of another arm."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class JointMap:
    """One joint: theirs = sign * ours + offset_rad.

    Attributes:
        ours: its name in chunks and in the policy's joint states.
        theirs: its name in the other arm's controller.
        sign: 1, or -1 where the other arm counts the other way.
        offset_rad: of the other arm's zero.
        lower_rad, upper_rad: limits, in the other arm's angle.
        max_velocity_rad_s: fastest motion that is passed on.
    """

    ours: str
    theirs: str
    sign: float
    offset_rad: float
    lower_rad: float
    upper_rad: float
    max_velocity_rad_s: float

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError naming joint, value and bound."""
        if self.sign not in (1.0, -1.0):
            raise ValueError(f"{self.theirs}: sign is {self.sign}, must be 1 or -1")
        if not all(math.isfinite(v) for v in (self.offset_rad, self.lower_rad, self.upper_rad)):
            raise ValueError(f"{self.theirs}: offset or limit is not finite")
        if not self.lower_rad < self.upper_rad:
            raise ValueError(
                f"{self.theirs}: lower limit {self.lower_rad} must be below upper limit {self.upper_rad}"
            )
        if not 0.0 < self.max_velocity_rad_s <= 10.0:
            raise ValueError(
                f"{self.theirs}: max_velocity_rad_s is {self.max_velocity_rad_s}, must be within (0, 10]"
            )

    def to_theirs(self, angle_rad: float) -> float:
        """The other arm's angle."""
        return self.sign * angle_rad + self.offset_rad

    def to_ours(self, angle_rad: float) -> float:
        """The policy's angle."""
        return self.sign * (angle_rad - self.offset_rad)


@dataclass(frozen=True)
class GripperMap:
    """The gripper: an opening of 0 to 1 here, a joint position (rad or m) there.

    Attributes:
        ours, theirs: names; an empty `theirs`: the other arm has none, and reads as open.
        closed, opened: positions of the other gripper.
    """

    ours: str
    theirs: str
    closed: float
    opened: float

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError."""
        if self.closed == self.opened:
            raise ValueError(f"gripper: closed and open are both {self.closed}")

    def to_theirs(self, opening: float) -> float:
        """The other gripper's position."""
        return self.closed + opening * (self.opened - self.closed)

    def to_ours(self, position: float) -> float:
        """Opening within 0 .. 1."""
        return min(1.0, max(0.0, (position - self.closed) / (self.opened - self.closed)))
