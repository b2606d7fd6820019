"""The newest measured state of the arm, and why a datagram was not believed.

The SDK delivers a datagram with missing arrays as zeros and without an error, accepts datagrams from any
host, and goes on delivering whatever arrives. So each datagram is judged before it becomes a state, and a
state carries the time at which it arrived: nothing here ever gets a newer time than its own arrival.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from itertools import pairwise

from .arm_interface import RawState
from .arm_model import JOINT_COUNT, JOINT_NAMES, MAX_SPEED_RAD_S, RATED_LIMITS, Limits
from .error_codes import describe_errors

# A joint may be measured a little outside its limit: stops are elastic, encoders have an offset.
POSITION_MARGIN_RAD = 0.1
# What a joint may move between two datagrams beyond its top speed before a zero looks like a missing value.
JUMP_ALLOWANCE_RAD = 0.05
# Only this much time excuses such a jump: otherwise values that stay missing would be believed in the end.
JUMP_MAX_AGE_S = 0.03
# Speed is measured over at least this time, and over no more than that: it shall be the speed now.
SPEED_OVER_S = (0.02, 0.2)
# The SDK attributes datagrams to the arm whose controller was pushing to that UDP port already when the link
# was made; on a port chosen later it reports this instead of the arm's TCP port. One process drives one arm,
# so the address and the UDP port tell enough.
UNATTRIBUTED_PORT = 0


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
    motion: int = 0

    def troubles(self) -> tuple[str, ...]:
        """Why the arm must not move: errors it reports and joints without power."""
        pairs = zip(JOINT_NAMES, self.joint_enabled, strict=True)
        return (*self.errors, *(f"{name} is not enabled" for name, powered in pairs if not powered))


@dataclass(frozen=True)
class Doubt:
    """Why a datagram was not believed: a short rule name for counting and a text for people."""

    rule: str
    text: str


def judge(
    raw: RawState,
    sender: tuple[str, int],
    limits: Limits,
    reference_rad: tuple[float, ...],
    reference_age_s: float,
) -> Doubt | None:
    """Decide whether a datagram is a measurement of our arm.

    Args:
        raw: the datagram.
        sender: ip and TCP port of our controller, as the SDK attributes datagrams.
        limits: 7 pairs of joint limits, rad.
        reference_rad: (7,) the position believed last.
        reference_age_s: how old that position is.

    Returns:
        None when it is believed, otherwise the reason.
    """
    if raw.parse_code != 0:
        return Doubt("parse", f"the SDK could not parse the datagram (code {raw.parse_code})")
    if raw.sender_ip != sender[0] or raw.sender_port not in (sender[1], UNATTRIBUTED_PORT):
        return Doubt("sender", f"from {raw.sender_ip}:{raw.sender_port}, not from {sender[0]}:{sender[1]}")
    if len(raw.position_rad) != JOINT_COUNT:
        return Doubt("length", f"{len(raw.position_rad)} joint positions, expected {JOINT_COUNT}")
    for name, angle, (low, high) in zip(JOINT_NAMES, raw.position_rad, limits, strict=True):
        if not math.isfinite(angle):
            return Doubt("finite", f"{name}: {angle} rad is not finite")
        if not low - POSITION_MARGIN_RAD <= angle <= high + POSITION_MARGIN_RAD:
            return Doubt("range", f"{name}: {angle:.3f} rad is outside [{low:.3f}, {high:.3f}] rad")
    if not any(raw.voltage_v) and not any(raw.temperature_c):
        return Doubt("missing", "voltages and temperatures of all joints are zero: fields are missing")
    return _missing_positions(raw.position_rad, reference_rad, reference_age_s)


def _missing_positions(
    position_rad: tuple[float, ...], reference_rad: tuple[float, ...], age_s: float
) -> Doubt | None:
    """Zeros at the end of the array which no motion explains are values the datagram did not contain."""
    first_zero = JOINT_COUNT
    while first_zero > 0 and position_rad[first_zero - 1] == 0.0:
        first_zero -= 1
    reach_rad = [speed * min(age_s, JUMP_MAX_AGE_S) + JUMP_ALLOWANCE_RAD for speed in MAX_SPEED_RAD_S]
    jumped = [i for i in range(JOINT_COUNT) if abs(position_rad[i] - reference_rad[i]) > reach_rad[i]]
    if jumped and min(jumped) >= first_zero:
        names = ", ".join(JOINT_NAMES[index] for index in jumped)
        return Doubt("missing", f"{names} jumped to exactly zero: position values are missing")
    return None


class StateKeeper:
    """Judges datagrams, keeps the newest believed state, counts the others. Written from one thread.

    Args:
        sender: ip and TCP port of our controller.
    """

    def __init__(self, sender: tuple[str, int]) -> None:
        self._sender = sender
        self._limits: Limits = RATED_LIMITS
        self._reference_rad: tuple[float, ...] | None = None
        self._reference_s = -math.inf
        self._newest: ArmState | None = None
        self._arrivals: deque[float] = deque(maxlen=400)
        self._recent: deque[ArmState] = deque(maxlen=100)
        self.doubts: Counter[str] = Counter()
        self.last_doubt = ""

    def restart(self) -> None:
        """Forget the past, before a connection is made."""
        self._newest = None
        self._reference_rad = None
        self._arrivals.clear()
        self._recent.clear()

    def set_reference(self, position_rad: tuple[float, ...], now_s: float, limits: Limits) -> None:
        """Set the position read by request and the limits, against which the first datagrams are judged."""
        self._reference_rad, self._reference_s, self._limits = position_rad, now_s, limits

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
        return float(sum(1 for arrival in tuple(self._arrivals) if now_s - arrival <= 1.0))

    def longest_gap_s(self, now_s: float) -> float:
        """Longest time without a believed datagram within the last second."""
        recent = [arrival for arrival in tuple(self._arrivals) if now_s - arrival <= 1.0]
        return max((after - before for before, after in pairwise([*recent, now_s])), default=0.0)

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
        if self._reference_rad is None:
            return None
        age_s = max(0.0, raw.arrived_monotonic_s - self._reference_s)
        doubt = judge(raw, self._sender, self._limits, self._reference_rad, age_s)
        if doubt is not None:
            self.doubts[doubt.rule] += 1
            self.last_doubt = doubt.text
            return None
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
        self._reference_rad, self._reference_s = raw.position_rad, raw.arrived_monotonic_s
        self._arrivals.append(raw.arrived_monotonic_s)
        self._recent.append(state)
        self._newest = state
        return state
