"""Rules `workspace`, `table_clearance` and `self_clearance`: what the arm keeps clear of along a way.

A way is what will be played: joint angles close together, from where the arm is to where it comes to rest.
The poses are looked at where it matters: far from everything a few are enough, as no part of the arm moves
further between two of them than the joints' turns times the arm's reach. Near something all are.

An arm may have been led or sagged into a pose that is too near already. A way out of it must exist: what is
too near at the beginning may come no nearer at any pose of the way, and once clear it has to stay clear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arm_geometry import (
    PAIR_NAMES,
    REACH_M,
    TABLE_NAMES,
    Array,
    Indices,
    pair_distances,
    shape_of,
    table_heights,
)
from .chunk import Refusal

# Parts move at most this far between two poses of the first look, m.
_COARSE_M = 0.06
# Where it matters poses are looked at within twice this, or all when they lie further apart: between two of
# them no part comes nearer than at both by more than 1 mm.
_FINE_M = 0.001
_ROUNDING_M = 1e-9
_PAIRS, _HEIGHTS = len(PAIR_NAMES), len(TABLE_NAMES)


@dataclass(frozen=True)
class SpaceBounds:
    """What the arm keeps clear of, m in the arm's base frame: z up, 0 at the mounting face."""

    workspace_lower_m: tuple[float, ...] = (-0.5, -0.75, 0.0)
    workspace_upper_m: tuple[float, ...] = (0.8, 0.75, 1.1)
    table_z_m: float = 0.0
    table_clearance_m: float = 0.0
    self_clearance_m: float = 0.01


@dataclass(frozen=True)
class Breach:
    """Where a way comes too near to something: number of the pose, and what a refusal says of it."""

    pose: int
    rule: str
    part: str
    value_m: float
    bound: str
    what: str

    def refusal(self, where: str) -> Refusal:
        """The refusal of what leads there; `where` says at which point of it."""
        text = f"{self.part} {where}: {self.what}, must be {self.bound}"
        return Refusal(self.rule, self.part, self.value_m, self.bound, text)


class Space:
    """Judges ways by the bounds.

    Args:
        bounds: of table, box and the arm itself.
    """

    def __init__(self, bounds: SpaceBounds) -> None:
        self.bounds = bounds
        self._lower = np.array(bounds.workspace_lower_m)[:, None]
        self._upper = np.array(bounds.workspace_upper_m)[:, None]

    def breach(self, way_rad: Array) -> Breach | None:
        """Look at a way.

        Args:
            way_rad: (N, 7) poses; between two of them the arm moves evenly.

        Returns:
            None when it is clear, otherwise where it is worst.
        """
        travel_m = np.zeros(len(way_rad))
        np.cumsum(np.abs(way_rad[1:] - way_rad[:-1]) @ REACH_M, out=travel_m[1:])
        looked_at = _spaced(travel_m, _COARSE_M)
        poses = np.flatnonzero(looked_at)
        margin = self.margins(way_rad[poses])
        reached_m = travel_m[poses]
        apart_m = (reached_m[1:] - reached_m[:-1])[:, None]
        # With so much clear at both ends nothing between them can be reached. What is not clear at the start
        # is followed from pose to pose.
        doubtful = margin[:-1] + margin[1:] < apart_m
        doubtful |= margin[0] < 0.0
        columns = np.flatnonzero(doubtful.any(axis=0) | (margin[-1] < 0.0))
        if not len(columns):
            return None
        between = np.append(doubtful.any(axis=1), False)[np.cumsum(looked_at) - 1]
        poses = np.flatnonzero(looked_at | (_spaced(travel_m, _FINE_M) & between))
        margin = self.margins(way_rad[poses], columns)
        # What is too near may come no nearer than it has been, and what is clear must stay so.
        floor = np.minimum(np.maximum.accumulate(margin, axis=0), 0.0)
        short = margin - floor
        row, column = divmod(int(short.argmin()), len(columns))
        if short[row, column] >= -_ROUNDING_M:
            return None
        return self._breach(int(poses[row]), int(columns[column]), float(margin[row, column]))

    def margins(self, poses_rad: Array, columns: Indices | None = None) -> Array:
        """How much more than the bounds ask for is clear at each pose, of each thing looked at.

        Args:
            poses_rad: (N, 7).
            columns: of the pairs of the arm's parts, its parts over the table, and the faces of the box;
                None: all.

        Returns:
            (N, columns) m; negative: too near. Far apart it may be less than is really clear.
        """
        shape, bounds = shape_of(poses_rad), self.bounds
        pairs = None if columns is None else columns[columns < _PAIRS]
        near_m = bounds.self_clearance_m + _COARSE_M
        between = pair_distances(shape, near_m, pairs) - bounds.self_clearance_m
        heights = table_heights(shape) - (bounds.table_z_m + bounds.table_clearance_m)
        others = np.concatenate([heights.T, shape.tool_m - self._lower, self._upper - shape.tool_m]).T
        if columns is not None:
            others = others[:, columns[columns >= _PAIRS] - _PAIRS]
        return np.concatenate([between, others], axis=1)

    def _breach(self, pose: int, column: int, margin_m: float) -> Breach:
        bounds = self.bounds
        if column < _PAIRS:
            value_m, bound = margin_m + bounds.self_clearance_m, f"at least {bounds.self_clearance_m:.3f} m"
            what = f"{value_m:.3f} m apart"
            return Breach(pose, "self_clearance", PAIR_NAMES[column], value_m, bound, what)
        if column < _PAIRS + _HEIGHTS:
            value_m, bound = margin_m + bounds.table_clearance_m, f"at least {bounds.table_clearance_m:.3f} m"
            what = f"{value_m:.3f} m above the table (z = {bounds.table_z_m:.3f} m)"
            return Breach(pose, "table_clearance", TABLE_NAMES[column - _PAIRS], value_m, bound, what)
        face = column - _PAIRS - _HEIGHTS
        axis = face % 3
        low, high = bounds.workspace_lower_m[axis], bounds.workspace_upper_m[axis]
        value_m = low + margin_m if face < 3 else high - margin_m
        bound, what = f"within [{low:.3f}, {high:.3f}] m", f"{'xyz'[axis]} = {value_m:.3f} m"
        return Breach(pose, "workspace", "tool", value_m, bound, what)


def _spaced(travel_m: Array, step_m: float) -> NDArray[np.bool_]:
    """Which poses to look at: within twice `step_m` where there are so many, the first and the last."""
    cell = (travel_m / step_m).astype(np.intp)
    chosen = np.ones(len(cell), dtype=np.bool_)
    # The last pose of each cell: two such poses are less than two cells apart.
    np.not_equal(cell[1:], cell[:-1], out=chosen[:-1])
    chosen[0] = True
    return chosen
