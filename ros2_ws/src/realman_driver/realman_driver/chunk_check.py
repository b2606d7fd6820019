"""The rules a chunk of joint targets must keep before any of it is sent.

One small function per rule, composed in `RULES`; the first broken rule decides. A chunk is refused whole and
never changed: a target moved to a limit would be a motion nobody asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .arm_model import AXIS_NAMES, GRIPPER_NAME, JOINT_COUNT, JOINT_NAMES, Limits


@dataclass(frozen=True)
class ChunkPoint:
    """One point as received: positions (rad, gripper 0..1 last), time after execution starts, s."""

    positions: tuple[float, ...]
    time_s: float
    has_other_fields: bool = False


@dataclass(frozen=True)
class ReceivedChunk:
    """A chunk as received; `stamp_s` is the ROS time of the observation it was computed from."""

    joint_names: tuple[str, ...]
    points: tuple[ChunkPoint, ...]
    stamp_s: float


@dataclass(frozen=True)
class Chunk:
    """A chunk that kept every rule: K times (s, increasing) and K points of 8 values."""

    times_s: tuple[float, ...]
    points: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Refusal:
    """Why a chunk was refused: the rule, what broke it, the bound, and a text that says all of it."""

    rule: str
    joint: str
    value: float | str
    bound: str
    text: str


@dataclass(frozen=True)
class ChunkRules:
    """The bounds. Angles rad, speeds rad/s, times s."""

    max_points: int = 50
    max_duration_s: float = 10.0
    max_age_s: float = 1.0
    max_future_s: float = 0.05
    joint_limit_margin_rad: float = 0.0175
    max_first_step_rad: float = 0.35
    max_velocity_rad_s: float = 2.5


@dataclass(frozen=True)
class Situation:
    """What the rules compare a chunk with.

    Attributes:
        limits: 7 pairs of joint limits, rad, without the margin.
        setpoint: (8,) the target the arm follows at this moment.
        now_s: ROS time, s.
    """

    limits: Limits
    setpoint: tuple[float, ...]
    now_s: float


Rule = Callable[[ReceivedChunk, ChunkRules, Situation], Refusal | None]


def check_chunk(chunk: ReceivedChunk, rules: ChunkRules, situation: Situation) -> Chunk | Refusal:
    """Apply all rules in order.

    Returns:
        The chunk ready to be executed, or the first refusal.
    """
    for rule in RULES:
        refusal = rule(chunk, rules, situation)
        if refusal is not None:
            return refusal
    return Chunk(
        times_s=tuple(point.time_s for point in chunk.points),
        points=tuple(point.positions for point in chunk.points),
    )


def joint_names(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """The names must be those of the arm, all of them, in its order."""
    if chunk.joint_names == AXIS_NAMES:
        return None
    bound = ", ".join(AXIS_NAMES)
    unknown = [name for name in chunk.joint_names if name not in AXIS_NAMES]
    missing = [name for name in AXIS_NAMES if name not in chunk.joint_names]
    if unknown:
        what = f"{unknown[0]!r} is not a joint of this arm"
    elif missing:
        what = f"{missing[0]} is missing"
    elif len(chunk.joint_names) != len(AXIS_NAMES):
        what = f"{len(chunk.joint_names)} names are given, a name occurs twice"
    else:
        what = "the order is wrong"
    joint = (unknown or missing or [""])[0]
    given = ", ".join(chunk.joint_names)
    return Refusal("joint_names", joint, given, bound, f"joint_names [{given}]: {what}; expected [{bound}]")


def point_count(chunk: ReceivedChunk, rules: ChunkRules, _now: Situation) -> Refusal | None:
    """At least one point, at most `max_points`."""
    count = len(chunk.points)
    if 1 <= count <= rules.max_points:
        return None
    bound = f"1..{rules.max_points} points"
    return Refusal("point_count", "", count, bound, f"the chunk has {count} points, allowed are {bound}")


def positions_only(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Velocities, accelerations and efforts would be ignored, so they are not accepted."""
    for number, point in enumerate(chunk.points):
        if point.has_other_fields:
            text = f"point {number} holds velocities, accelerations or effort; only positions are executed"
            return Refusal("positions_only", "", "other fields", "positions only", text)
    return None


def positions_length(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Each point has one value per axis."""
    expected = len(AXIS_NAMES)
    for number, point in enumerate(chunk.points):
        count = len(point.positions)
        if count != expected:
            bound = f"{expected} positions ({JOINT_COUNT} joints and the gripper)"
            text = f"point {number} has {count} positions, expected {bound}"
            return Refusal("positions_length", "", count, bound, text)
    return None


def finite(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """No NaN, no infinity."""
    for number, point in enumerate(chunk.points):
        for name, value in zip(AXIS_NAMES, point.positions, strict=True):
            if not math.isfinite(value):
                text = f"{name} at point {number}: {value} is not a finite number"
                return Refusal("finite", name, value, "finite", text)
    return None


def joint_limits(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Each joint stays inside its limits by the margin."""
    for number, point in enumerate(chunk.points):
        for name, value, (low, high) in zip(JOINT_NAMES, point.positions, now.limits, strict=False):
            lower, upper = low + rules.joint_limit_margin_rad, high - rules.joint_limit_margin_rad
            if not lower <= value <= upper:
                bound = f"[{lower:.3f}, {upper:.3f}] rad"
                text = f"{name} at point {number}: {value:.3f} rad is outside {bound}"
                return Refusal("joint_limits", name, value, bound, text)
    return None


def gripper_range(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """The gripper's opening is 0 (closed) to 1 (open)."""
    for number, point in enumerate(chunk.points):
        value = point.positions[JOINT_COUNT]
        if not 0.0 <= value <= 1.0:
            bound = "[0, 1] (opening)"
            text = f"{GRIPPER_NAME} at point {number}: {value:.3f} is outside {bound}"
            return Refusal("gripper_range", GRIPPER_NAME, value, bound, text)
    return None


def time_order(chunk: ReceivedChunk, rules: ChunkRules, _now: Situation) -> Refusal | None:
    """time_from_start is positive, strictly increasing and bounded."""
    before_s = 0.0
    for number, point in enumerate(chunk.points):
        if not point.time_s > before_s:
            bound = f"more than {before_s:.3f} s"
            text = f"time_from_start of point {number}: {point.time_s:.3f} s, must be {bound}"
            return Refusal("time_order", "", point.time_s, bound, text)
        before_s = point.time_s
    if before_s > rules.max_duration_s:
        bound = f"at most {rules.max_duration_s:.3f} s"
        text = f"time_from_start of the last point: {before_s:.3f} s, must be {bound}"
        return Refusal("time_order", "", before_s, bound, text)
    return None


def stamp(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """The observation behind the chunk is neither of the future nor too old."""
    if chunk.stamp_s == 0.0:
        bound = f"at most {rules.max_age_s:.3f} s old"
        text = f"header.stamp is not set; it must be the time of the observation, {bound}"
        return Refusal("stamp", "", 0.0, bound, text)
    age_s = now.now_s - chunk.stamp_s
    if age_s < -rules.max_future_s:
        bound = f"at most {rules.max_future_s:.3f} s ahead"
        return Refusal("stamp", "", -age_s, bound, f"header.stamp is {-age_s:.3f} s in the future, {bound}")
    if age_s > rules.max_age_s:
        bound = f"at most {rules.max_age_s:.3f} s old"
        return Refusal("stamp", "", age_s, bound, f"header.stamp is {age_s:.3f} s old, must be {bound}")
    return None


def first_step(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """The first point is near the target the arm follows now."""
    for name, value, present in zip(JOINT_NAMES, chunk.points[0].positions, now.setpoint, strict=False):
        step = abs(value - present)
        if step > rules.max_first_step_rad:
            bound = f"at most {rules.max_first_step_rad:.3f} rad"
            text = (
                f"{name} at point 0: {value:.3f} rad is {step:.3f} rad away from the present target "
                f"{present:.3f} rad, allowed is {bound}"
            )
            return Refusal("first_step", name, step, bound, text)
    return None


def velocity(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """No joint is faster than the bound, on the way to the first point neither."""
    before, before_s = now.setpoint, 0.0
    for number, point in enumerate(chunk.points):
        duration_s = point.time_s - before_s
        for name, value, last in zip(JOINT_NAMES, point.positions, before, strict=False):
            speed = abs(value - last) / duration_s
            # The last bits of a difference of floats must not refuse a chunk at exactly the bound.
            if speed > rules.max_velocity_rad_s * (1.0 + 1e-6):
                bound = f"at most {rules.max_velocity_rad_s:.3f} rad/s"
                text = f"{name} on the way to point {number}: {speed:.3f} rad/s, allowed is {bound}"
                return Refusal("velocity", name, speed, bound, text)
        before, before_s = point.positions, point.time_s
    return None


RULES: tuple[Rule, ...] = (
    joint_names,
    point_count,
    positions_only,
    positions_length,
    finite,
    joint_limits,
    gripper_range,
    time_order,
    stamp,
    first_step,
    velocity,
)
