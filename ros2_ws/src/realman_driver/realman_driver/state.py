"""The newest measured state of the arm, and why a datagram was not believed.

Anybody can send datagrams, and a controller or its network can send wrong ones. So each is judged before it
becomes a state: whether it can be read, whether an arm can stand there, and whether it can have come there in
the time. A state carries the time at which it arrived: nothing here ever gets a newer time than that.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from itertools import pairwise

from .arm_interface import RawState
from .arm_model import JOINT_NAMES, RATED_LIMITS, Limits
from .error_codes import describe_errors
from .joint_reach import JointReach

# A joint may be measured a little outside its limit: stops are elastic, encoders have an offset.
POSITION_MARGIN_RAD = 0.1
# Speed is measured over at least this time, and over no more than that: it shall be the speed now.
SPEED_OVER_S = (0.02, 0.2)
# A datagram of somebody else says nothing about our arm.
SENDER = "sender"
# States kept to compare a position read by request with: 2 s at the shortest period.
HISTORY = 400


@dataclass(frozen=True)
class ArmState:
    """One believed measurement: 7 values per tuple, rad, A, degrees Celsius; times of arrival."""

    position_rad: tuple[float, ...]
    current_a: tuple[float, ...]
    temperature_c: tuple[float, ...]
    joint_enabled: tuple[bool, ...]
    joint_error_codes: tuple[int, ...]
    errors: tuple[str, ...]
    arrived_monotonic_s: float
    arrived_ros_ns: int
    motion: str = "idle"

    def troubles(self) -> tuple[str, ...]:
        """Why the arm must not move: errors it reports and joints without power."""
        pairs = zip(JOINT_NAMES, self.joint_enabled, strict=True)
        return (*self.errors, *(f"{name} is not enabled" for name, powered in pairs if not powered))


@dataclass(frozen=True)
class Doubt:
    """Why a datagram was not believed: a short rule name for counting and a text for people."""

    rule: str
    text: str


def judge(raw: RawState, sender_ip: str, limits: Limits) -> Doubt | None:
    """Decide whether a datagram is a measurement of our arm, all but whether the arm can have come there.

    Args:
        raw: the datagram.
        sender_ip: address of our controller.
        limits: 7 pairs of joint limits, rad.

    Returns:
        None when it is believed, otherwise the reason.
    """
    if raw.sender_ip != sender_ip:
        return Doubt(SENDER, f"from {raw.sender_ip}, not from {sender_ip}")
    if raw.defect_rule:
        return Doubt(raw.defect_rule, raw.defect)
    for name, angle, (low, high) in zip(JOINT_NAMES, raw.position_rad, limits, strict=True):
        if not low - POSITION_MARGIN_RAD <= angle <= high + POSITION_MARGIN_RAD:
            return Doubt("range", f"{name}: {angle:.3f} rad is outside [{low:.3f}, {high:.3f}] rad")
    return None


class StateKeeper:
    """Judges datagrams, keeps the newest believed state, counts the others. Written from one thread.

    Args:
        sender_ip: address of our controller.
    """

    def __init__(self, sender_ip: str) -> None:
        self._sender_ip = sender_ip
        self._limits: Limits = RATED_LIMITS
        self._reach: JointReach | None = None
        self._newest: ArmState | None = None
        self._recent: deque[ArmState] = deque(maxlen=HISTORY)
        self.doubts: Counter[str] = Counter()
        self.last_doubt = ""
        # Datagrams of our controller since the last believed one.
        self.doubts_in_a_row = 0

    def restart(self) -> None:
        """Forget the past, before a connection is made."""
        self._newest = None
        self._reach = None
        self._recent.clear()
        self.doubts_in_a_row = 0

    def set_reference(self, position_rad: tuple[float, ...], now_s: float, limits: Limits) -> None:
        """Set the position read by request and the limits, against which the first datagrams are judged."""
        self._limits = limits
        self._reach = JointReach(position_rad, now_s)

    @property
    def newest(self) -> ArmState | None:
        """The newest believed state, None before the first."""
        return self._newest

    def age_s(self, now_s: float) -> float:
        """Age of the newest believed state, infinite when there is none."""
        newest = self._newest
        return math.inf if newest is None else max(0.0, now_s - newest.arrived_monotonic_s)

    def rate_hz(self, now_s: float) -> float:
        """Believed datagrams of the last second."""
        return float(len(self._arrivals(now_s)))

    def longest_gap_s(self, now_s: float) -> float:
        """Longest time without a believed datagram within the last second."""
        return max((b - a for a, b in pairwise([*self._arrivals(now_s), now_s])), default=0.0)

    def _arrivals(self, now_s: float) -> list[float]:
        times = [state.arrived_monotonic_s for state in tuple(self._recent)]
        return [arrived_s for arrived_s in times if now_s - arrived_s <= 1.0]

    def positions_since(self, past_s: float) -> list[tuple[float, ...]]:
        """The believed positions (n, 7), rad, that arrived since a moment and the last one before it."""
        positions: list[tuple[float, ...]] = []
        for state in reversed(tuple(self._recent)):
            positions.append(state.position_rad)
            if state.arrived_monotonic_s <= past_s:
                break
        return positions

    def velocity_rad_s(self) -> tuple[float, ...] | None:
        """(7,) measured lately, rad/s; None while there are too few states to tell."""
        recent = tuple(self._recent)
        if not recent:
            return None
        newest, (least_s, most_s) = recent[-1], SPEED_OVER_S
        for state in reversed(recent):
            past_s = newest.arrived_monotonic_s - state.arrived_monotonic_s
            if least_s <= past_s <= most_s:
                pairs = zip(newest.position_rad, state.position_rad, strict=True)
                return tuple((now - before) / past_s for now, before in pairs)
        return None

    def accept(self, raw: RawState) -> ArmState | None:
        """Judge a datagram; the state it became, or None when it was not believed (and counted).

        Before `set_reference` nothing is believed: a connection is being made.
        """
        reach = self._reach
        if reach is None:
            return None
        doubt = judge(raw, self._sender_ip, self._limits)
        if doubt is None:
            text = reach.refuses(raw.position_rad, raw.arrived_monotonic_s)
            doubt = Doubt("jump", text) if text else None
        if doubt is not None:
            self.doubts[doubt.rule] += 1
            self.last_doubt = doubt.text
            if doubt.rule != SENDER:  # nobody else shall be able to stop the arm by a datagram
                self.doubts_in_a_row += 1
            return None
        self.doubts_in_a_row = 0
        state = ArmState(
            position_rad=raw.position_rad,
            current_a=raw.current_a,
            temperature_c=raw.temperature_c,
            joint_enabled=raw.joint_enabled,
            joint_error_codes=raw.joint_error_codes,
            errors=describe_errors(raw.joint_error_codes, raw.system_error_codes),
            arrived_monotonic_s=raw.arrived_monotonic_s,
            arrived_ros_ns=raw.arrived_ros_ns,
            motion=raw.motion,
        )
        self._recent.append(state)
        self._newest = state
        return state
