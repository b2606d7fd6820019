"""From what a leader reports to a target of the follower: joint order, sign, scale, offset, gripper range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kine_nodes.texts import listed
from realman_driver.arm_model import JOINT_COUNT, JOINT_NAMES

Pose = tuple[float, ...]
"""(8,) joint_1..joint_7 in rad and the gripper's opening, 0 closed to 1 open."""


class LeaderError(ValueError):
    """A leader's message that no target can be made of; the text names what is wrong."""


@dataclass(frozen=True)
class JointMapping:
    """How the leader's joints drive the follower's: `follower = sign * scale * leader + offset`.

    Attributes:
        leader_joints: the leader's names of the joints that drive joint_1..joint_7, in that order.
        sign: +1 or -1 per follower joint; -1 where the leader is mirrored.
        scale: factor per follower joint, more than 0.
        offset_rad: added per follower joint, rad.
        leader_gripper: the leader's name of its gripper; empty: it has none, the follower's stays as it is.
        gripper_closed, gripper_open: what the leader reports with the gripper closed and open.
        gripper_slack: how far the opening may lie outside 0..1 and still count as the end of the range.
    """

    leader_joints: tuple[str, ...] = JOINT_NAMES
    sign: tuple[float, ...] = (1.0,) * JOINT_COUNT
    scale: tuple[float, ...] = (1.0,) * JOINT_COUNT
    offset_rad: tuple[float, ...] = (0.0,) * JOINT_COUNT
    leader_gripper: str = "gripper"
    gripper_closed: float = 0.0
    gripper_open: float = 1.0
    gripper_slack: float = 0.05

    def __post_init__(self) -> None:
        for name in ("leader_joints", "sign", "scale", "offset_rad"):
            count = len(getattr(self, name))
            if count != JOINT_COUNT:
                raise ValueError(f"{name} has {count} values, expected {JOINT_COUNT}, one per joint")
        if len(set(self.leader_joints)) != JOINT_COUNT:
            raise ValueError(f"leader_joints {list(self.leader_joints)} names a joint twice")
        for joint, sign, scale, offset in zip(
            JOINT_NAMES, self.sign, self.scale, self.offset_rad, strict=True
        ):
            if sign not in (1.0, -1.0):
                raise ValueError(f"sign of {joint} is {sign}, it must be 1 or -1")
            if not (math.isfinite(scale) and scale > 0.0):
                raise ValueError(f"scale of {joint} is {scale}, it must be more than 0")
            if not math.isfinite(offset):
                raise ValueError(f"offset_rad of {joint} is {offset}, it must be finite")
        if abs(self.gripper_open - self.gripper_closed) < 1e-6:
            raise ValueError(f"gripper_closed and gripper_open are both {self.gripper_open}")

    def to_follower(self, names: Sequence[str], values: Sequence[float], held_opening: float) -> Pose:
        """The follower's pose (8,) that a leader's message asks for.

        Args:
            names: joint names of the message, in any order.
            values: one position per name; rad, the gripper in the leader's own unit.
            held_opening: opening used when the leader has no gripper, 0..1.

        Raises:
            LeaderError: a joint is missing, a value is not finite, or the gripper is outside its range.
        """
        if len(names) != len(values):
            raise LeaderError(f"the leader sent {len(names)} names and {len(values)} positions")
        given = dict(zip(names, values, strict=True))
        joints = []
        rows = zip(JOINT_NAMES, self.leader_joints, self.sign, self.scale, self.offset_rad, strict=True)
        for joint, source, sign, scale, offset in rows:
            value = self._value(given, source)
            joints.append(sign * scale * value + offset)
            if not math.isfinite(joints[-1]):
                raise LeaderError(f"{joint}: the leader's {source} is {value}, not a finite number")
        return (*joints, self._opening(given, held_opening))

    @staticmethod
    def _value(given: dict[str, float], name: str) -> float:
        if name not in given:
            raise LeaderError(f"the leader's message has no joint {name!r}, it has {listed(sorted(given))}")
        return float(given[name])

    def _opening(self, given: dict[str, float], held_opening: float) -> float:
        if not self.leader_gripper:
            return held_opening
        value = self._value(given, self.leader_gripper)
        opening = (value - self.gripper_closed) / (self.gripper_open - self.gripper_closed)
        if not -self.gripper_slack <= opening <= 1.0 + self.gripper_slack:
            low, high = -self.gripper_slack, 1.0 + self.gripper_slack
            raise LeaderError(
                f"gripper: the leader's {value} is an opening of {opening:.3f}, outside [{low}, {high}]"
            )
        # Within the slack: a hand's grip seldom ends exactly at the end of the range.
        return min(1.0, max(0.0, opening))
