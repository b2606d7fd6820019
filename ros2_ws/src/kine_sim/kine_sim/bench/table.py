"""What lies where, and how much room there is: outlines from above as discs (x, y, radius)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, sin

import numpy as np

from kine_sim import layout, rm75
from kine_sim.bench.things import Thing

BASE = np.array([[0.0, 0.0, 0.085]])
"""Outline (1, 3) of the arm's foot with some room."""
_FINGER_CENTRE_M = 0.00825
"""From the gripping face of a finger to its middle."""
_FINGER_RADIUS_M = 0.013


@dataclass(frozen=True)
class Laid:
    """A thing somewhere.

    Attributes:
        thing: its kind, in its size.
        xy_m: its middle.
        yaw_rad: direction of its x axis.
    """

    thing: Thing
    xy_m: tuple[float, float]
    yaw_rad: float

    def point_m(self, xy_m: tuple[float, float]) -> tuple[float, float]:
        """A point of its frame in the base frame."""
        c, s = cos(self.yaw_rad), sin(self.yaw_rad)
        return self.xy_m[0] + c * xy_m[0] - s * xy_m[1], self.xy_m[1] + s * xy_m[0] + c * xy_m[1]

    @property
    def discs(self) -> rm75.Array:
        """Its outline (N, 3) in the base frame."""
        x, y, r = np.array(self.thing.discs).T
        c, s = cos(self.yaw_rad), sin(self.yaw_rad)
        return np.stack([self.xy_m[0] + c * x - s * y, self.xy_m[1] + s * x + c * y, r], axis=1)


@dataclass(frozen=True)
class Table:
    """Everything on the table.

    Attributes:
        things: by name.
        plate_xy_m: middle of the plate.
        obstacles: what else stands there and is never moved.
    """

    things: Mapping[str, Laid]
    plate_xy_m: tuple[float, float]
    obstacles: tuple[Laid, ...] = ()

    @property
    def plate(self) -> rm75.Array:
        """Outline (1, 3) of the plate with its rim."""
        return np.array([[*self.plate_xy_m, layout.PLATE_RIM_RADIUS_M]])

    def others(self, name: str | None = None, above_m: float = 0.0) -> rm75.Array:
        """Outlines (N, 3) of foot and everything but one thing that reaches higher than `above_m`."""
        there = [laid for other, laid in self.things.items() if other != name]
        found = [laid.discs for laid in (*there, *self.obstacles) if laid.thing.top_m > above_m]
        return np.concatenate([BASE, *found])


def gap_m(first: rm75.Array, second: rm75.Array) -> float:
    """Free way between two outlines (N, 3) and (M, 3); negative where they overlap, infinite for none."""
    if len(first) == 0 or len(second) == 0:
        return float("inf")
    off = first[:, None, :2] - second[None, :, :2]
    return float((np.hypot(off[..., 0], off[..., 1]) - first[:, None, 2] - second[None, :, 2]).min())


def fingers(tool_xy_m: tuple[float, float], yaw_rad: float, opening: float) -> rm75.Array:
    """Outline (2, 3) of both fingers."""
    reach = rm75.FINGER_TRAVEL_M * opening + _FINGER_CENTRE_M
    x, y = -sin(yaw_rad) * reach, cos(yaw_rad) * reach
    return np.array([[tool_xy_m[0] + s * x, tool_xy_m[1] + s * y, _FINGER_RADIUS_M] for s in (1, -1)])
