"""Every rule for chunks: what is refused, and that the text names joint, value and bound."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, RATED_LIMITS
from realman_driver.gate import (
    Chunk,
    ChunkPoint,
    ChunkRules,
    ReceivedChunk,
    Refusal,
    Situation,
    check_chunk,
)

NOW_S = 1_000_000.0
HOME = (*HOME_RAD, 1.0)
SITUATION = Situation(RATED_LIMITS, HOME, NOW_S)


def good_chunk(speed_rad_s: float = 1.5) -> ReceivedChunk:
    points = tuple(
        ChunkPoint((*(q - speed_rad_s * 0.1 * (k + 1) for q in HOME_RAD), 0.5), 0.1 * (k + 1))
        for k in range(5)
    )
    return ReceivedChunk(AXIS_NAMES, points, NOW_S - 0.2)


def with_value(point: int, axis: int, value: float) -> ReceivedChunk:
    chunk = good_chunk()
    positions = list(chunk.points[point].positions)
    positions[axis] = value
    return with_point(point, positions=tuple(positions))


def with_point(number: int, **changes: object) -> ReceivedChunk:
    chunk = good_chunk()
    points = list(chunk.points)
    points[number] = dataclasses.replace(points[number], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(chunk, points=tuple(points))


def named(*names: str) -> ReceivedChunk:
    return dataclasses.replace(good_chunk(), joint_names=names)


def refusal_of(chunk: ReceivedChunk, situation: Situation = SITUATION) -> Refusal:
    result = check_chunk(chunk, ChunkRules(), situation)
    assert isinstance(result, Refusal), "the chunk was accepted"
    return result


def test_a_chunk_at_the_experts_speed_is_accepted_unchanged() -> None:
    chunk = good_chunk(1.5)
    result = check_chunk(chunk, ChunkRules(), SITUATION)
    assert result == Chunk(tuple(p.time_s for p in chunk.points), tuple(p.positions for p in chunk.points))


SWAPPED = (AXIS_NAMES[1], AXIS_NAMES[0], *AXIS_NAMES[2:])
CASES = [
    ("unknown name", named("shoulder", *AXIS_NAMES[1:]), "joint_names", ["'shoulder'", "joint_1, joint_2"]),
    ("missing name", named(*AXIS_NAMES[:7]), "joint_names", ["gripper is missing"]),
    ("wrong order", named(*SWAPPED), "joint_names", ["the order is wrong"]),
    ("doubled name", named(*AXIS_NAMES, "joint_1"), "joint_names", ["occurs twice"]),
    ("no names", named(), "joint_names", ["joint_1 is missing"]),
    ("no points", dataclasses.replace(good_chunk(), points=()), "point_count", ["0 points", "1..50"]),
    (
        "too many points",
        dataclasses.replace(good_chunk(), points=good_chunk().points * 11),
        "point_count",
        ["55 points", "1..50"],
    ),
    ("velocities given", with_point(1, has_other_fields=True), "positions_only", ["point 1"]),
    ("six joints", with_point(2, positions=(0.0,) * 6), "positions_length", ["point 2", "6", "8 positions"]),
    (
        "seven values",
        with_point(0, positions=(0.0,) * 7),
        "positions_length",
        ["point 0", "7", "8 positions"],
    ),
    (
        "eight joints",
        with_point(4, positions=(0.0,) * 9),
        "positions_length",
        ["point 4", "9", "8 positions"],
    ),
    ("nan", with_value(2, 2, math.nan), "finite", ["joint_3 at point 2", "nan"]),
    ("infinity", with_value(0, 6, math.inf), "finite", ["joint_7 at point 0", "inf"]),
    ("minus infinity", with_value(4, 7, -math.inf), "finite", ["gripper at point 4", "-inf"]),
    (
        "beyond the upper limit",
        with_value(2, 2, 3.5),
        "joint_limits",
        ["joint_3 at point 2: 3.500 rad is outside [-3.089, 3.089] rad"],
    ),
    (
        "beyond the lower limit",
        with_value(0, 3, -2.35),
        "joint_limits",
        ["joint_4", "-2.350", "[-2.339, 2.339]"],
    ),
    ("gripper too wide", with_value(3, 7, 1.01), "gripper_range", ["gripper at point 3", "1.010", "[0, 1]"]),
    (
        "gripper negative",
        with_value(3, 7, -0.01),
        "gripper_range",
        ["gripper at point 3", "-0.010", "[0, 1]"],
    ),
    ("time zero", with_point(0, time_s=0.0), "time_order", ["point 0", "0.000 s", "more than 0.000 s"]),
    ("time negative", with_point(0, time_s=-0.1), "time_order", ["point 0", "-0.100 s"]),
    ("time repeated", with_point(2, time_s=0.2), "time_order", ["point 2", "0.200 s", "more than 0.200 s"]),
    ("too long", with_point(4, time_s=99.0), "time_order", ["99.000 s", "at most 10.000 s"]),
    ("no stamp", dataclasses.replace(good_chunk(), stamp_s=0.0), "stamp", ["not set"]),
    (
        "future",
        dataclasses.replace(good_chunk(), stamp_s=NOW_S + 0.06),
        "stamp",
        ["0.060 s in the future", "0.050"],
    ),
    ("stale", dataclasses.replace(good_chunk(), stamp_s=NOW_S - 1.01), "stamp", ["1.010 s old", "1.000 s"]),
    (
        "first step",
        with_value(0, 1, 0.75),
        "first_step",
        ["joint_2 at point 0", "0.750", "0.401", "0.350 rad"],
    ),
    (
        "speed",
        with_value(2, 4, -0.3 - 0.26),
        "velocity",
        ["joint_5 on the way to point 2", "2.600", "2.500 rad/s"],
    ),
    ("speed to the first point", with_value(0, 4, 0.26), "velocity", ["joint_5", "point 0", "2.600 rad/s"]),
    (
        "shaking",
        ReceivedChunk(
            AXIS_NAMES,
            tuple(
                ChunkPoint((*HOME_RAD[:6], HOME_RAD[6] + 0.15 * (k % 2), 0.5), 0.1 * (k + 1))
                for k in range(5)
            ),
            NOW_S - 0.2,
        ),
        "acceleration",
        ["joint_7 at point 1", "30.000 rad/s2", "25.000 rad/s2"],
    ),
]


@pytest.mark.parametrize(("chunk", "rule", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_bad_chunk_is_refused_and_the_text_says_what_and_how_much(
    chunk: ReceivedChunk, rule: str, words: list[str]
) -> None:
    refusal = refusal_of(chunk)
    assert refusal.rule == rule
    for word in words:
        assert word in refusal.text, f"{word!r} is not in {refusal.text!r}"


@pytest.mark.parametrize("axis", range(7))
def test_each_joint_is_refused_just_beyond_its_limit_and_accepted_just_inside(axis: int) -> None:
    rules = dataclasses.replace(
        ChunkRules(), joint_limit_margin_rad=0.0175, max_first_step_rad=1.0, max_velocity_rad_s=3.0
    )
    for sign in (-1.0, 1.0):
        bound = sign * (RATED_LIMITS[axis][1] - 0.0175)
        start = list(HOME)
        start[axis] = bound
        situation = Situation(RATED_LIMITS, tuple(start), NOW_S)
        inside, outside = list(start), list(start)
        inside[axis], outside[axis] = bound - sign * 1e-4, bound + sign * 1e-4
        accepted = ReceivedChunk(AXIS_NAMES, (ChunkPoint(tuple(inside), 0.1),), NOW_S)
        refused = ReceivedChunk(AXIS_NAMES, (ChunkPoint(tuple(outside), 0.1),), NOW_S)
        assert isinstance(check_chunk(accepted, rules, situation), Chunk)
        result = check_chunk(refused, rules, situation)
        assert isinstance(result, Refusal)
        assert (result.rule, result.joint) == ("joint_limits", AXIS_NAMES[axis])


def test_limits_of_the_controller_count_when_they_are_narrower() -> None:
    narrow = tuple((-0.5, 0.5) if i == 0 else pair for i, pair in enumerate(RATED_LIMITS))
    refusal = refusal_of(good_chunk(), Situation(narrow, HOME, NOW_S))
    assert refusal.text == "joint_1 at point 3: -0.600 rad is outside [-0.482, 0.482] rad"


def test_a_chunk_that_breaks_several_rules_gives_one_refusal() -> None:
    chunk = dataclasses.replace(with_value(0, 0, math.nan), stamp_s=0.0)
    assert refusal_of(chunk).rule == "finite"


def test_bounds_themselves_are_allowed() -> None:
    points = (ChunkPoint((HOME_RAD[0] + 0.25, *HOME_RAD[1:], 0.0), 0.1),)
    assert isinstance(
        check_chunk(ReceivedChunk(AXIS_NAMES, points, NOW_S - 1.0), ChunkRules(), SITUATION), Chunk
    )


def test_every_figure_in_a_text_has_a_unit() -> None:
    for _, chunk, _, _ in CASES:
        for figure in re.findall(
            r"\d+\.\d{3}(?!\d)(?![\],]| rad| s\b| m\b| is outside)", refusal_of(chunk).text
        ):
            raise AssertionError(f"{figure} has no unit in {refusal_of(chunk).text!r}")


EVIL_NAME = "joint_1\n[ERROR] the arm is safe\x1b[31m\u202e"


@pytest.mark.parametrize(
    "names",
    [
        (EVIL_NAME, *AXIS_NAMES[1:]),
        (*AXIS_NAMES[:7], EVIL_NAME * 10_000),
        tuple(f"{EVIL_NAME}{number}" for number in range(50_000)),
        AXIS_NAMES * 10_000,
    ],
    ids=["colours", "long", "many", "many good ones"],
)
def test_what_a_chunk_calls_its_joints_cannot_write_into_the_log_or_fill_it(names: tuple[str, ...]) -> None:
    refusal = check_chunk(named(*names), ChunkRules(), SITUATION)
    assert isinstance(refusal, Refusal) and refusal.rule == "joint_names"
    for text in (refusal.text, refusal.joint, refusal.bound, str(refusal.value)):
        assert len(text) <= 500
        assert text.isprintable()
