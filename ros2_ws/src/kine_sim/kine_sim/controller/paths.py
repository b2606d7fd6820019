"""Planned motions: straight in joint space (movej, movej_p) or straight in space (movel)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import kinematics
from .profile import TrapezoidProfile
from .settings import ControllerSettings

FloatArray = NDArray[np.float64]
TrajectoryType = Literal["movej", "movel"]

# Spacing of the inverse-kinematics samples on a straight line; between them joints are interpolated.
_LINE_STEP_M = 0.005
_LINE_STEP_RAD = 0.05
_MAX_JOINT_JUMP_RAD = 0.5
_NO_MOTION_RAD = 1e-7


@dataclass(frozen=True)
class PlannedPath:
    """A joint path sampled over progress 0..1 and the time law along it.

    Attributes:
        type: what `get_arm_current_trajectory` reports while it runs.
        knots: progress values, shape (K,), rising from 0 to 1.
        joints: joint angles at the knots, shape (K, 7), rad.
        profile: time law.
    """

    type: TrajectoryType
    knots: FloatArray
    joints: FloatArray
    profile: TrapezoidProfile

    @property
    def duration_s(self) -> float:
        """Duration from rest to rest, s."""
        return self.profile.duration_s

    @property
    def end_rad(self) -> FloatArray:
        """Joint angles at the end, shape (7,), rad."""
        return self.joints[-1].copy()

    def sample(self, time_s: float) -> FloatArray:
        """Joint angles (7,) rad at `time_s` after the start."""
        progress = self.profile.progress(time_s)
        index = int(np.clip(np.searchsorted(self.knots, progress, side="right") - 1, 0, len(self.knots) - 2))
        left, right = self.knots[index], self.knots[index + 1]
        share = (progress - left) / (right - left)
        return self.joints[index] + (self.joints[index + 1] - self.joints[index]) * share


def plan_joint_path(
    start: FloatArray, goal: FloatArray, speed_percent: int, settings: ControllerSettings
) -> PlannedPath:
    """Synchronised joint motion from `start` to `goal` (7,) rad: the slowest joint sets the time.

    Raises:
        ValueError: the goal lies beyond a joint limit, or the speed is not 1..100 %.
    """
    _check_speed(speed_percent)
    settings.check_joint_limits(goal)
    joints = np.stack((start, goal))
    return PlannedPath("movej", np.array([0.0, 1.0]), joints, _joint_profile(joints, speed_percent, settings))


def plan_line_path(
    start: FloatArray, goal_pose: FloatArray, speed_percent: int, settings: ControllerSettings
) -> PlannedPath:
    """Straight flange motion from the pose at `start` (7,) rad to the frame `goal_pose` (4, 4).

    Raises:
        UnreachableError: a pose on the line has no solution near the previous one.
        ValueError: the speed is not 1..100 %.
    """
    _check_speed(speed_percent)
    low, high = settings.joint_limits_rad()
    begin = kinematics.flange_pose(start)
    travel = goal_pose[:3, 3] - begin[:3, 3]
    turn = kinematics.rotation_vector(goal_pose[:3, :3] @ begin[:3, :3].T)
    distance_m, angle_rad = float(np.linalg.norm(travel)), float(np.linalg.norm(turn))
    count = max(2, int(np.ceil(max(distance_m / _LINE_STEP_M, angle_rad / _LINE_STEP_RAD))) + 1)
    knots = np.linspace(0.0, 1.0, count)
    joints = [start]
    for s in knots[1:]:
        rotation = _turned(turn, float(s)) @ begin[:3, :3]
        pose = kinematics.make_pose(begin[:3, 3] + s * travel, rotation)
        q = kinematics.solve(pose, joints[-1], low, high, iterations=40)
        if float(np.max(np.abs(q - joints[-1]))) > _MAX_JOINT_JUMP_RAD:
            raise kinematics.UnreachableError(
                f"the straight line needs a joint jump at {s:.0%} of its length"
            )
        joints.append(q)
    path = np.stack(joints)
    share = speed_percent / 100.0
    speed, acceleration = np.inf, np.inf
    for length, top, ramp in (
        (distance_m, settings.line_speed_m_s, settings.line_acceleration_m_s2),
        (angle_rad, settings.angular_speed_rad_s, settings.angular_acceleration_rad_s2),
    ):
        if length > _NO_MOTION_RAD:
            speed, acceleration = min(speed, share * top / length), min(acceleration, ramp / length)
    # Where the arm bends strongly the joints, not the tip, set the pace.
    rate = np.abs(np.diff(path, axis=0)) / np.diff(knots)[:, None]
    with np.errstate(divide="ignore"):
        speed = min(speed, float(np.min(settings.joint_speed_rad_s() / rate)))
    if not np.isfinite(speed):
        speed, acceleration = 10.0, 100.0
    return PlannedPath("movel", knots, path, TrapezoidProfile(float(speed), float(acceleration)))


def _turned(turn: FloatArray, share: float) -> FloatArray:
    angle = float(np.linalg.norm(turn)) * share
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = turn / np.linalg.norm(turn) * np.sin(angle / 2.0)
    return kinematics.rotation_from_quaternion(float(np.cos(angle / 2.0)), float(x), float(y), float(z))


def _joint_profile(joints: FloatArray, speed_percent: int, settings: ControllerSettings) -> TrapezoidProfile:
    distance = np.abs(joints[-1] - joints[0])
    moving = distance > _NO_MOTION_RAD
    if not np.any(moving):
        return TrapezoidProfile(10.0, 100.0)
    share = speed_percent / 100.0
    speed = float(np.min(share * settings.joint_speed_rad_s()[moving] / distance[moving]))
    # The ramps are softened with the speed, so that slow motions also start gently.
    acceleration = float(np.min(share * settings.joint_acceleration_rad_s2()[moving] / distance[moving]))
    return TrapezoidProfile(speed, acceleration)


def _check_speed(speed_percent: int) -> None:
    if not 1 <= speed_percent <= 100:
        raise ValueError(f"speed {speed_percent} % must be in 1..100 %")
