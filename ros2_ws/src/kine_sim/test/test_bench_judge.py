"""The bench judge blames what was done otherwise than said, and nothing else."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from kine_sim.bench.judge import BenchVerdict, judge, said
from kine_sim.bench.limits import LIMITS
from kine_sim.bench.trace import ThingShape, Trace
from kinevla.text.language import parse_sentence

from .bench_traces import (
    AT,
    LEFT,
    ON_PLATE,
    PERIOD,
    PLATE,
    RIGHT,
    SHAPES,
    START,
    UPPER_LEFT,
    Writer,
    blamed,
    done,
    pose,
    reason,
)


def test_the_papers_sentence_is_judged_by_part_and_side() -> None:
    upper, lower = (0.04, 0.0, 0.0), (-0.04, 0.0, 0.0)
    assert blamed(UPPER_LEFT, done("carrot", LEFT, held=upper, end=ON_PLATE)) == []
    assert blamed(UPPER_LEFT, done("carrot", LEFT, held=lower, end=ON_PLATE)) == ["part"]
    assert blamed(UPPER_LEFT, done("carrot", RIGHT, held=upper, end=ON_PLATE)) == ["target"]
    middle = done("carrot", LEFT, held=(0.004, 0.0, 0.0), end=ON_PLATE)
    assert blamed(UPPER_LEFT, middle) == ["part"]
    assert "held 3.6 cm from the upper and 4.4 cm from the lower" in reason(UPPER_LEFT, middle, "part")
    assert "at least 1.0 cm" in reason(UPPER_LEFT, middle, "part")


def test_what_is_not_said_is_free() -> None:
    plain = "place the carrot on the left side of the plate"
    trace = done(
        "carrot", (0.3, 0.2), LEFT, held=(-0.04, 0, 0), end=ON_PLATE, yaw=(0.0, 1.0), apex=0.15, speed=0.05
    )
    assert said(parse_sentence(plain)) == ("target", "contact")
    assert blamed(plain, trace) == []


@pytest.mark.parametrize(
    ("side", "offset"),
    [("left", (0, -1)), ("right", (0, 1)), ("front", (1, 0)), ("back", (-1, 0)), ("middle", (0, 0))],
)
def test_every_place_of_the_plate_is_that_one_alone(side: str, offset: tuple[int, int]) -> None:
    end = (PLATE[0] + 0.035 * offset[0], PLATE[1] + 0.035 * offset[1])
    trace = done("bread", end, end=ON_PLATE)
    for place in ("left", "right", "front", "back", "middle"):
        where = "in the middle" if place == "middle" else f"on the {place} side"
        assert blamed(f"place the bread {where} of the plate", trace) == ([] if place == side else ["target"])


@pytest.mark.parametrize(
    ("words", "offset"),
    [("left of", (0, -1)), ("right of", (0, 1)), ("in front of", (1, 0)), ("behind", (-1, 0))],
)
def test_beside_a_thing_is_where_the_viewer_sees_it(words: str, offset: tuple[int, int]) -> None:
    x, y = AT["bread"]
    trace = done("mug", (x + 0.09 * offset[0], y + 0.09 * offset[1]), start=(0.25, 0.2))
    for other in ("left of", "right of", "in front of", "behind"):
        assert blamed(f"place the mug {other} the bread", trace) == ([] if other == words else ["target"])
    assert (
        blamed(f"place the mug {words} the bread", done("mug", (0.2, -0.1), start=(0.25, 0.2)))[0] == "goal"
    )


def test_between_two_sides_a_thing_is_on_neither() -> None:
    corner = done("bread", (PLATE[0] + 0.03, PLATE[1] + 0.03), end=ON_PLATE)
    for side in ("front", "right"):
        assert blamed(f"place the bread on the {side} side of the plate", corner) == ["target"]


def test_regions_of_the_table_are_told_apart() -> None:
    trace = done("mug", (0.345, -0.16))
    assert blamed("move the mug to the left front", trace) == []
    assert blamed("move the mug to the front", trace) == ["target"]
    assert "at most 5.5 cm" in reason("move the mug to the front", trace, "target")


def test_a_distance_is_judged_along_and_across() -> None:
    sentence = "pick up the mug and move it 10 cm to the left"
    x, y = START
    assert blamed(sentence, done("mug", (x, y - 0.10))) == []
    assert blamed(sentence, done("mug", (x, y - 0.124))) == []
    assert blamed(sentence, done("mug", (x, y - 0.126))) == ["displacement"]
    assert blamed(sentence, done("mug", (x + 0.026, y - 0.10))) == ["displacement"]
    assert blamed(sentence, done("mug", (x, y + 0.10))) == ["displacement"]
    verdict = judge(parse_sentence(sentence), done("mug", (x + 0.02, y - 0.13)))
    assert verdict.displacement_error_m == pytest.approx((0.03, 0.02))
    assert "off by +3.0 cm along and +2.0 cm across" in verdict.attributes["displacement"].reason


@pytest.mark.parametrize("turn", [45, 90, 180, -45, -90])
def test_turns_are_told_apart(turn: int) -> None:
    trace = done("mug", (0.385, 0.0), yaw=(2.5, 2.5 + np.radians(turn + 5)))
    words = {
        45: "45 degrees counter-clockwise",
        90: "90 degrees counter-clockwise",
        -45: "45 degrees clockwise",
    }
    words |= {-90: "90 degrees clockwise"}
    for asked in (45, 90, 180, -45, -90):
        told = "turned around" if asked == 180 else f"rotated {words[asked]}"
        assert blamed(f"move the mug to the front, {told}", trace) == (
            [] if asked == turn else ["orientation"]
        )


def test_an_end_or_a_label_points_to_the_viewers_side() -> None:
    tip_left = done("carrot", (0.385, 0.0), yaw=(0.0, pi / 2))
    assert blamed("move the carrot to the front, pointing to the left", tip_left) == []
    assert blamed("move the carrot to the front, pointing to the right", tip_left) == ["orientation"]
    loaf = done("bread", (0.385, 0.0), yaw=(0.0, pi / 2))
    for side, expected in (("left", []), ("right", []), ("front", ["orientation"])):
        assert blamed(f"move the bread to the front, pointing to the {side}", loaf) == expected
    label_front = done("bottle", (0.385, 0.0), yaw=(0.0, -pi / 2))
    assert blamed("move the bottle to the front, with its label to the front", label_front) == []
    sentence = "move the bottle to the front, with its label to the left"
    assert blamed(sentence, label_front) == ["orientation"]
    assert "90 degrees off left; asked: at most 35" in reason(sentence, label_front, "orientation")


def test_the_edges_of_a_round_thing_are_the_viewers() -> None:
    yaw = 2.0
    left_edge = (-0.05 * sin(yaw), -0.05 * cos(yaw), 0.0)  # left of it, in a frame turned by yaw
    trace = done("bowl", (0.385, 0.0), yaw=(yaw, yaw), held=left_edge)
    for part in ("left edge", "right edge", "near edge", "far edge"):
        expected = [] if part == "left edge" else ["part"]
        assert blamed(f"hold the bowl by the {part} and move it to the front", trace) == expected


@pytest.mark.parametrize(
    ("trace", "why"),
    [
        (done("mug", (0.385, 0.0), release=False), "still touch the mug"),
        (done("mug", (0.385, 0.0), end=0.08), "6.0 cm above lying on the table"),
        (done("mug", (0.29, 0.10)), "moved 1.0 cm; asked: at least 3.0 cm"),
    ],
    ids=["held", "on something", "not moved"],
)
def test_a_goal_that_is_missed_says_why(trace: Trace, why: str) -> None:
    verdict = judge(parse_sentence("move the mug 4 cm to the left"), trace)
    assert not verdict.goal.passed and why in verdict.goal.reason.replace("+", "")
    assert verdict.reasons[0].startswith("failed: goal: ")


def test_a_thing_tipped_over_or_still_moving_is_not_done() -> None:
    for tip, drift, why in ((1.0, 0.0, "tipped"), (0.0, 0.004, "moves with 8.0 cm/s")):
        trace = done("mug", (0.385, 0.0))
        last = {name: value.copy() for name, value in trace.samples[-1].poses.items()}
        last["mug"][:3, :3] = [[1, 0, 0], [0, cos(tip), -sin(tip)], [0, sin(tip), cos(tip)]]
        last["mug"][1, 3] += drift
        trace.observe(trace.samples[-1].time_s + PERIOD, last, tool=np.eye(4), opening=1.0)
        assert why in judge(parse_sentence("move the mug to the front"), trace).goal.reason


def test_nothing_done_fails_all_that_is_said_and_says_so() -> None:
    writer = Writer("carrot")
    verdict: BenchVerdict = judge(
        parse_sentence(f"{UPPER_LEFT}, slowly, high above the table, pointing to the left"), writer.trace
    )
    assert not verdict.goal.passed
    assert not any(outcome.passed for outcome in verdict.attributes.values())
    assert "no part of the carrot was held; asked: the upper" in verdict.attributes["part"].reason


def test_a_trace_that_cannot_be_judged_is_refused() -> None:
    trace = Writer("mug").trace
    with pytest.raises(ValueError, match="has no carrot, but"):
        judge(parse_sentence(UPPER_LEFT), trace)
    with pytest.raises(ValueError, match="no sample"):
        judge(parse_sentence("move the mug to the front"), Trace(SHAPES, PLATE))
    bare = Trace({"bottle": ThingShape(0.05)}, PLATE)
    bare.observe(0.0, {"bottle": pose(0.3, 0.0)}, tool=np.eye(4), opening=1.0)
    with pytest.raises(ValueError, match="has no 'neck'"):
        judge(parse_sentence("hold the bottle by the neck and move it to the front"), bare)
    with pytest.raises(ValueError, match="has no label"):
        judge(parse_sentence("move the bottle to the front, with its label to the left"), bare)


def test_samples_that_would_hide_something_are_refused() -> None:
    trace = Trace({"mug": SHAPES["mug"]}, PLATE)
    mug, tool = {"mug": pose(0.3, 0.0)}, np.eye(4)
    trace.observe(0.0, mug, tool=tool, opening=1.0)
    for time_s in (0.0, 0.2):
        with pytest.raises(ValueError, match=r"a sample after .* needed: more than 0, at most 0.1 s"):
            trace.observe(time_s, mug, tool=tool, opening=1.0)
    with pytest.raises(ValueError, match="needed: those of"):
        trace.observe(0.1, {**mug, "bowl": pose(0.2, 0.0)}, tool=tool, opening=1.0)
    with pytest.raises(ValueError, match="the fingers touch"):
        trace.observe(0.1, mug, tool=tool, opening=1.0, touched=["bowl"])
    with pytest.raises(ValueError, match="pose of mug must be"):
        trace.observe(0.1, {"mug": np.full((4, 4), np.nan)}, tool=tool, opening=1.0)
    mug["mug"][0, 3] = 9.0
    assert trace.samples[0].poses["mug"][0, 3] == 0.3


def test_the_bounds_leave_gaps() -> None:
    assert LIMITS.slow_m_s < 0.6 * LIMITS.quick_m_s
    assert LIMITS.low_m < LIMITS.high_m - 0.05
    assert LIMITS.plate_middle_m < LIMITS.plate_side_m
    assert LIMITS.turn_deg < 22.5 and LIMITS.heading_deg < 45
    assert LIMITS.push_lift_m < LIMITS.lift_m < LIMITS.low_m
