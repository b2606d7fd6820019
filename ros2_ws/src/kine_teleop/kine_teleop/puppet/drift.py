"""Drift check: do leader and follower, put into the same pose, report the same pose?

An encoder or a mounting that has moved shows as an offset of one joint. It is measured with both arms at rest
in a reference pose, in which the operator (or a jig) holds the leader; several poses tell an offset from a
wrong scale.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.robot import forward_kinematics
from realman_driver.arm_model import JOINT_COUNT, JOINT_NAMES

from .mapping import Pose


class DriftError(RuntimeError):
    """The check could not be made; the text says what to do."""


@dataclass(frozen=True)
class DriftBounds:
    """When a check passes and when a measurement counts.

    Attributes:
        joint_rad: largest offset of a joint.
        tool_m: largest distance between the two tools.
        still_rad: most a joint may move, largest minus smallest value, during a measurement.
        window_s: length of a measurement.
        poses: how many different poses a check takes.
        pose_difference_rad: poses differ when a joint differs by this much.
    """

    joint_rad: float = 0.0175
    tool_m: float = 0.015
    still_rad: float = 0.035
    window_s: float = 1.0
    poses: int = 1
    pose_difference_rad: float = 0.15


@dataclass(frozen=True)
class PoseMeasurement:
    """Both arms at rest: mean poses (7,) in rad, and the offset's standard deviation (7,) in rad."""

    leader_rad: tuple[float, ...]
    follower_rad: tuple[float, ...]
    noise_rad: tuple[float, ...]


@dataclass(frozen=True)
class DriftReport:
    """Result of a check: degrees and millimetres, for people and as JSON.

    Attributes:
        passed: no joint and no tool distance beyond its bound.
        beyond: names of the joints beyond the bound.
        offset_deg: mean of leader minus follower per joint, over all poses.
        spread_deg: standard deviation of it per joint: between poses, or within the one pose.
        tool_mm: distance between the tools per pose.
        bound_deg, bound_mm: the bounds.
        poses: number of poses.
    """

    passed: bool
    beyond: tuple[str, ...]
    offset_deg: dict[str, float]
    spread_deg: dict[str, float]
    tool_mm: tuple[float, ...]
    bound_deg: float
    bound_mm: float
    poses: int

    def text(self) -> str:
        """One sentence with the verdict and its figures."""
        worst_mm = max(self.tool_mm)
        if self.beyond:
            parts = [f"{name} is off by {self.offset_deg[name]:+.2f} degrees" for name in self.beyond]
            verdict = f"drift: {', '.join(parts)} (bound {self.bound_deg:.2f})"
        elif not self.passed:
            worst = max(self.offset_deg, key=lambda name: abs(self.offset_deg[name]))
            verdict = f"drift: the tools are too far apart, the largest offset is that of {worst}"
        else:
            largest = max(abs(value) for value in self.offset_deg.values())
            verdict = f"no drift: largest offset {largest:.2f} degrees (bound {self.bound_deg:.2f})"
        return f"{verdict}; tools {worst_mm:.1f} mm apart (bound {self.bound_mm:.1f}), {self.poses} pose(s)"

    def json(self) -> str:
        """All figures as one line of JSON."""
        return json.dumps(asdict(self))


class DriftRecorder:
    """Keeps the newest poses of both arms and turns them into a measurement when asked.

    Args:
        bounds: window and stillness.
    """

    def __init__(self, bounds: DriftBounds) -> None:
        self._bounds = bounds
        self._leader: deque[tuple[float, Pose]] = deque()
        self._follower: deque[tuple[float, Pose]] = deque()

    def leader(self, pose: Pose, now_s: float) -> None:
        """Take a mapped pose (8,) of the leader."""
        self._append(self._leader, pose, now_s)

    def follower(self, pose: Pose, now_s: float) -> None:
        """Take a measured pose (8,) of the follower."""
        self._append(self._follower, pose, now_s)

    def _append(self, past: deque[tuple[float, Pose]], pose: Pose, now_s: float) -> None:
        past.append((now_s, pose))
        # One sample older than the window stays, so that the window is known to be covered.
        while len(past) > 2 and now_s - past[1][0] >= self._bounds.window_s:
            past.popleft()

    def measure(self, now_s: float) -> PoseMeasurement:
        """Both arms over the last `window_s`.

        Raises:
            DriftError: an arm does not report, or does not rest.
        """
        leader = self._rest(self._leader, "leader", now_s)
        follower = self._rest(self._follower, "follower", now_s)
        noise = np.hypot(leader.std(axis=0), follower.std(axis=0))
        return PoseMeasurement(
            tuple(map(float, leader.mean(axis=0))),
            tuple(map(float, follower.mean(axis=0))),
            tuple(map(float, noise)),
        )

    def _rest(self, past: deque[tuple[float, Pose]], who: str, now_s: float) -> NDArray[np.float64]:
        window_s = self._bounds.window_s
        if not past or now_s - past[-1][0] > 0.5 * window_s:
            raise DriftError(f"the {who} does not report its joints")
        if past[-1][0] - past[0][0] < 0.8 * window_s:
            raise DriftError(f"the {who} has not reported for {window_s:.1f} s yet, try again")
        joints = np.array([pose[:JOINT_COUNT] for _, pose in past])
        moved = joints.max(axis=0) - joints.min(axis=0)
        worst = int(moved.argmax())
        if moved[worst] > self._bounds.still_rad:
            raise DriftError(
                f"the {who} does not rest: {JOINT_NAMES[worst]} moved by {moved[worst]:.3f} rad "
                f"within {window_s:.1f} s, allowed is {self._bounds.still_rad:.3f} rad"
            )
        return joints


class DriftCheck:
    """Collects the poses of one check.

    Args:
        bounds: number of poses and bounds.
    """

    def __init__(self, bounds: DriftBounds) -> None:
        self._bounds = bounds
        self._poses: list[PoseMeasurement] = []

    @property
    def missing(self) -> int:
        """How many more poses the check needs."""
        return self._bounds.poses - len(self._poses)

    def add(self, pose: PoseMeasurement) -> DriftReport | None:
        """Take a pose; the report when it was the last one, and the next check begins afresh.

        Raises:
            DriftError: the pose is one of those taken before.
        """
        for number, other in enumerate(self._poses, 1):
            difference = np.abs(np.subtract(pose.follower_rad, other.follower_rad)).max()
            if difference < self._bounds.pose_difference_rad:
                raise DriftError(
                    f"the follower is still in pose {number}: no joint differs by "
                    f"{self._bounds.pose_difference_rad:.2f} rad; move both arms to another pose"
                )
        self._poses.append(pose)
        if self.missing > 0:
            return None
        report = drift_report(self._poses, self._bounds)
        self._poses = []
        return report


def drift_report(poses: Sequence[PoseMeasurement], bounds: DriftBounds) -> DriftReport:
    """The report over all measured poses.

    Raises:
        ValueError: no pose.
    """
    if not poses:
        raise ValueError("a drift check needs at least one pose")
    leader = np.array([pose.leader_rad for pose in poses])
    follower = np.array([pose.follower_rad for pose in poses])
    offsets = leader - follower
    mean = offsets.mean(axis=0)
    spread = offsets.std(axis=0) if len(poses) > 1 else np.array(poses[0].noise_rad)
    # Not the mean but the worst pose decides: offsets of two poses with opposite signs must not cancel.
    largest = np.abs(offsets).max(axis=0)
    tools = forward_kinematics(leader)[:, :3, 3] - forward_kinematics(follower)[:, :3, 3]
    distance_m = np.linalg.norm(tools, axis=1)
    beyond = tuple(JOINT_NAMES[i] for i in np.argsort(-largest) if largest[i] > bounds.joint_rad)
    return DriftReport(
        passed=not beyond and bool((distance_m <= bounds.tool_m).all()),
        beyond=beyond,
        offset_deg={n: round(math.degrees(v), 3) for n, v in zip(JOINT_NAMES, mean, strict=True)},
        spread_deg={n: round(math.degrees(v), 3) for n, v in zip(JOINT_NAMES, spread, strict=True)},
        tool_mm=tuple(round(float(d) * 1000.0, 2) for d in distance_m),
        bound_deg=round(math.degrees(bounds.joint_rad), 3),
        bound_mm=round(bounds.tool_m * 1000.0, 2),
        poses=len(poses),
    )
