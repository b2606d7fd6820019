"""What happened in a trial: everything the judge needs, and nothing of the simulator.

All poses are (4, 4) in the base frame, metres. The viewer's right is +y, front (towards the viewer) +x.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import pi

import numpy as np

from kine_sim.rm75 import Array

MAX_PERIOD_S = 0.1
"""Samples further apart than this could miss a crossing or a short grasp. 0.05 s or less is better: a quick
way of 4 cm takes 0.3 s."""


@dataclass(frozen=True)
class ThingShape:
    """What the judge knows about a thing. Angles are about z, in the thing's own frame, x being 0.

    Attributes:
        radius_m: of the circle around its outline, seen from above.
        parts: middle (3,) of each named part in the thing's frame.
        round: it looks the same from all sides, so its parts are the viewer's: 'left edge' is at the viewer's
            left however the thing is turned, and `parts` holds for yaw 0.
        points_rad: where the end that points is (the tip of a carrot, the neck of a bottle).
        both_ends: either end may point, as of a loaf.
        label_rad: where the label looks to; None without a label.
    """

    radius_m: float
    parts: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    round: bool = False
    points_rad: float = 0.0
    both_ends: bool = False
    label_rad: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_m < 0.3:
            raise ValueError(f"radius_m = {self.radius_m} is outside 0 .. 0.3")
        for name, value in (("points_rad", self.points_rad), ("label_rad", self.label_rad or 0.0)):
            if not -pi <= value <= pi:
                raise ValueError(f"{name} = {value} is outside -pi .. pi")


@dataclass(frozen=True)
class Grip:
    """The thing between both fingers.

    Attributes:
        thing: its name.
        at_m: mean of the two fingers' contact points, (3,) in the thing's frame.
    """

    thing: str
    at_m: tuple[float, float, float]


@dataclass(frozen=True)
class Sample:
    """One moment of a trial.

    Attributes:
        time_s: since the start.
        poses: (4, 4) of every thing by name.
        grip: what both fingers hold, None where they hold nothing.
        touched: things that at least one finger touches.
        tool: (4, 4) of the tool centre.
        opening: of the gripper, 0 closed .. 1 open.
    """

    time_s: float
    poses: Mapping[str, Array]
    grip: Grip | None
    touched: frozenset[str]
    tool: Array
    opening: float


@dataclass(frozen=True)
class Trace:
    """A whole trial. The first sample is the scene at rest, before anything moves.

    Attributes:
        shapes: every thing of the scene by name.
        plate_xy_m: the plate's middle.
        samples: in order of time, `observe` adds to them.
    """

    shapes: Mapping[str, ThingShape]
    plate_xy_m: tuple[float, float]
    samples: list[Sample] = field(default_factory=list)

    def observe(
        self,
        time_s: float,
        poses: Mapping[str, Array],
        *,
        tool: Array,
        opening: float,
        grip: Grip | None = None,
        touched: Collection[str] = (),
    ) -> None:
        """Add a moment; see `Sample`. Poses are copied.

        Raises:
            ValueError: not later than the last moment or more than `MAX_PERIOD_S` after it, poses of other
                things than the scene's, a pose that is no finite (4, 4), or a grip of an unknown thing.
        """
        if self.samples:
            period = time_s - self.samples[-1].time_s
            if not 0.0 < period <= MAX_PERIOD_S + 1e-6:
                raise ValueError(
                    f"a sample after {period:.3f} s; needed: more than 0, at most {MAX_PERIOD_S} s"
                )
        if set(poses) != set(self.shapes):
            raise ValueError(f"poses of {sorted(poses)}; needed: those of {sorted(self.shapes)}")
        held = set(touched) | ({grip.thing} if grip else set())
        if unknown := held - set(self.shapes):
            raise ValueError(f"the fingers touch {sorted(unknown)}; the scene has {sorted(self.shapes)}")
        copies = {name: _pose(name, pose) for name, pose in poses.items()}
        self.samples.append(Sample(time_s, copies, grip, frozenset(held), _pose("tool", tool), opening))


def _pose(name: str, pose: Array) -> Array:
    copy = np.array(pose, dtype=np.float64)
    if copy.shape != (4, 4) or not np.isfinite(copy).all():
        raise ValueError(f"the pose of {name} must be a finite (4, 4), got {copy.shape}")
    return copy
