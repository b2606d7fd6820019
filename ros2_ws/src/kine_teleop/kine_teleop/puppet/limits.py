"""Which targets may be sent to the follower. One that breaks a bound stops the session."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from realman_driver.arm_model import JOINT_NAMES, RATED_LIMITS

from .mapping import Pose

SPEED_WINDOW_S = 0.1
"""Speeds are taken over this time, so that messages which arrive in a bunch do not look fast."""


@dataclass(frozen=True)
class FollowLimits:
    """Bounds of what the follower is asked for.

    Attributes:
        joint_margin_rad: distance kept from each joint's limit.
        max_speed_rad_s: fastest joint, averaged over `SPEED_WINDOW_S`.
        max_step_rad: largest change of a joint between two messages of the leader.
    """

    joint_margin_rad: float = 0.02
    max_speed_rad_s: float = 2.0
    max_step_rad: float = 0.15

    def __post_init__(self) -> None:
        for name in ("max_speed_rad_s", "max_step_rad"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} = {getattr(self, name)} must be more than 0")


def range_fault(pose: Pose, margin_rad: float) -> str:
    """What is wrong with a pose (8,) against the joints' limits; empty when nothing is."""
    for name, value, (low, high) in zip(JOINT_NAMES, pose, RATED_LIMITS, strict=False):
        lower, upper = low + margin_rad, high - margin_rad
        if not lower <= value <= upper:
            return f"{name}: the leader asks for {value:.3f} rad, allowed is [{lower:.3f}, {upper:.3f}] rad"
    return ""


class MotionWatch:
    """Looks at the leader's mapped poses one after the other: range, step and speed.

    Args:
        limits: the bounds.
    """

    def __init__(self, limits: FollowLimits) -> None:
        self._limits = limits
        self._past: deque[tuple[float, Pose]] = deque(maxlen=400)

    def restart(self) -> None:
        """Forget the past: the next pose is compared with nothing."""
        self._past.clear()

    def fault(self, pose: Pose, now_s: float) -> str:
        """What is wrong with the newest pose (8,), which arrived at `now_s`; empty when nothing is."""
        limits = self._limits
        fault = range_fault(pose, limits.joint_margin_rad)
        if fault:
            return fault
        if self._past:
            before_s, before = self._past[-1]
            for name, value, last in zip(JOINT_NAMES, pose, before, strict=False):
                if abs(value - last) > limits.max_step_rad:
                    return (
                        f"{name}: the leader jumped by {abs(value - last):.3f} rad "
                        f"in {now_s - before_s:.3f} s, "
                        f"allowed is a step of {limits.max_step_rad:.3f} rad"
                    )
        self._past.append((now_s, pose))
        # Keep exactly one pose that is older than the window.
        while len(self._past) > 2 and now_s - self._past[1][0] >= SPEED_WINDOW_S:
            self._past.popleft()
        start_s, start = self._past[0]
        duration_s = max(now_s - start_s, SPEED_WINDOW_S)
        for name, value, first in zip(JOINT_NAMES, pose, start, strict=False):
            speed = abs(value - first) / duration_s
            if speed > limits.max_speed_rad_s:
                bound = f"{limits.max_speed_rad_s:.2f} rad/s"
                return f"{name}: the leader moves at {speed:.2f} rad/s, allowed is {bound}"
        return ""
