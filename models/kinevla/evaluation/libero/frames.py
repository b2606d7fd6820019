"""What the judge looks at: plain states of a LIBERO scene over time, without LIBERO or MuJoCo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Where something is: position (3,) in m and rotation (3, 3), both in the world frame."""

    position_m: Array
    rotation: Array = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class Body:
    """An object."""

    pose: Pose  # of its own frame
    low_m: Array  # (3,) lower corner of its bounding box in its own frame
    high_m: Array  # (3,) upper corner


@dataclass(frozen=True)
class Site:
    """A box-shaped region: pose and half sizes (3,) in m along its own axes."""

    pose: Pose
    half_m: Array


@dataclass(frozen=True)
class Joint:
    """A drawer or knob: position now, and the positions of closed (off) and fully open (on); m or rad."""

    position: float
    closed: float
    opened: float

    @property
    def fraction(self) -> float:
        """Share of the way from closed to open."""
        return (self.position - self.closed) / (self.opened - self.closed)


@dataclass(frozen=True)
class LiberoFrame:
    """The scene at one moment."""

    time_s: float
    bodies: Mapping[str, Body]  # movable objects by LIBERO's name
    # points (3,) where the fingers touch an object, in the object's frame, by object; drawers and knobs by
    # the name of their joint entry (world frame). Absent or empty: not touched
    contacts: Mapping[str, tuple[Array, ...]]
    joints: Mapping[str, Joint]  # drawers and knob by the name of LIBERO's region or fixture
    sites: Mapping[str, Site]  # regions by LIBERO's name
    # unordered pairs of objects or fixtures in contact, each pair sorted by name
    touching: frozenset[tuple[str, str]]
    tool: Pose  # pose of the grip site; its third axis points out of the hand

    def touch(self, first: str, second: str) -> bool:
        """Whether two things are in contact."""
        return (min(first, second), max(first, second)) in self.touching

    def held(self, name: str) -> bool:
        """Whether a finger touches an object."""
        return bool(self.contacts.get(name))


@dataclass(frozen=True)
class LiberoTrace:
    """Frames in order of time.

    Raises:
        ValueError: fewer than two frames, or times that do not grow.
    """

    frames: tuple[LiberoFrame, ...]

    def __post_init__(self) -> None:
        if len(self.frames) < 2:
            raise ValueError(f"a trace needs at least 2 frames, got {len(self.frames)}")
        times = [frame.time_s for frame in self.frames]
        if any(b <= a for a, b in pairwise(times)):
            raise ValueError("the times of a trace must grow from frame to frame")

    @property
    def first(self) -> LiberoFrame:
        """State at the start."""
        return self.frames[0]

    @property
    def last(self) -> LiberoFrame:
        """State at the end."""
        return self.frames[-1]

    def path_m(self, name: str) -> Array:
        """Positions (N, 3) of an object."""
        return np.stack([frame.bodies[name].pose.position_m for frame in self.frames])

    def grasp(self, name: str) -> int | None:
        """Index of the first frame of the last time the object was in the fingers, None if it never was."""
        held = [frame.held(name) for frame in self.frames]
        starts = [i for i, now in enumerate(held) if now and (i == 0 or not held[i - 1])]
        return starts[-1] if starts else None
