"""The bench judge tells ways, speeds and contacts apart."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from kine_sim.bench.judge import judge
from kine_sim.bench.limits import LIMITS
from kine_sim.bench.trace import Grip
from kinevla.text.language import parse_sentence

from .bench_traces import (
    AT,
    REST,
    START,
    Writer,
    blamed,
    done,
    reason,
)

PATHS = {
    "in a straight line": [(0.38, 0.0)],
    "diagonally": [(0.38, 0.0)],
    "first to the front, then to the left": [(0.38, 0.1), (0.38, 0.0)],
    "first to the left, then to the front": [(0.28, 0.0), (0.38, 0.0)],
}


@pytest.mark.parametrize("done_words", PATHS)
@pytest.mark.parametrize("words", PATHS)
def test_ways_over_the_table_are_told_apart(words: str, done_words: str) -> None:
    trace = done("mug", *PATHS[done_words])
    same = PATHS[words] == PATHS[done_words]
    assert blamed(f"move the mug to the front, {words}", trace) == ([] if same else ["path"])


def test_a_diagonal_way_is_none_along_one_side() -> None:
    trace = done("mug", (0.385, 0.08), start=(0.25, 0.1))
    assert blamed("move the mug 14 cm to the front, in a straight line", trace) == []
    verdict = judge(parse_sentence("move the mug to the front, diagonally"), trace)
    assert "components are as 0.15 to 1" in verdict.attributes["path"].reason
    assert not verdict.attributes["path"].passed


def test_a_way_is_that_of_the_hand_when_the_thing_turns_in_the_air() -> None:
    writer = Writer("carrot", (0.30, 0.10))
    hand = np.linspace((0.34, 0.10), (0.34, -0.10), 31)
    yaws = np.linspace(0.0, -pi, 31)
    for (x, y), yaw in zip(hand, yaws, strict=True):
        writer.at, writer.yaw = np.array([x - 0.04 * cos(yaw), y - 0.04 * sin(yaw), REST + 0.09]), yaw
        writer.see(Grip("carrot", (0.04, 0.0, 0.0)), touched=True)
    writer.at[2] = REST
    for _ in range(3):
        writer.see()
    straight = "move the carrot 20 cm to the left, in a straight line"
    assert judge(parse_sentence(straight), writer.trace).attributes["path"].passed


@pytest.mark.parametrize(("apex", "passes"), [(0.13, ["high"]), (0.09, []), (0.05, ["low"])])
def test_high_and_low_leave_a_gap(apex: float, passes: list[str]) -> None:
    trace = done("mug", (0.385, 0.0), apex=apex)
    for name, words in (("high", "lifting it high over the table"), ("low", "keeping it low")):
        expected = [] if name in passes else ["path"]
        assert blamed(f"move the mug to the front, {words}", trace) == expected


def test_a_thing_is_passed_on_the_viewers_side() -> None:
    start, x, y = (0.24, 0.02), *AT["bread"]
    left = done("mug", (x, y - 0.07), (0.44, 0.02), start=start)
    over = done("mug", (0.44, 0.02), start=start)
    stops = done("mug", (x - 0.05, y - 0.07), start=start)
    sentence = "move the mug 20 cm to the front, passing the bread on its "
    assert blamed(sentence + "left", left) == []
    assert blamed(sentence + "right", left) == ["path"]
    assert "passed 7.0 cm left of the bread's middle" in reason(sentence + "right", left, "path")
    assert blamed(sentence + "left", over) == ["path"]
    assert "did not pass" in reason(sentence + "left", stops, "path")


@pytest.mark.parametrize(("speed", "passes"), [(0.08, ["slowly"]), (0.14, []), (0.30, ["quickly"])])
@pytest.mark.parametrize("distance", [0.04, 0.20])
def test_slow_and_quick_leave_a_gap(speed: float, passes: list[str], distance: float) -> None:
    way = distance + LIMITS.speed_slack_m
    trace = done("mug", (0.28, 0.10 - distance), speed=speed * distance / way)
    for words in ("slowly", "quickly"):
        expected = [] if words in passes else ["speed"]
        sentence = f"move the mug {distance * 100:.0f} cm to the left, {words}"
        assert blamed(sentence, trace) == expected
    assert "asked: quick, at least 24 cm/s" in reason(
        "move the mug 4 cm to the left, quickly", trace, "speed"
    )


@pytest.mark.parametrize("push", [False, True])
def test_a_slow_way_that_takes_its_time_for_a_turn_is_slow(push: bool) -> None:
    trace = done("bread", (0.28, 0.06), speed=0.013, yaw=(0.0, pi), push=push)
    verb = "push" if push else "move"
    assert blamed(f"{verb} the bread 4 cm to the left, slowly, turned around", trace) == []
    assert blamed(f"{verb} the bread 4 cm to the left, quickly, turned around", trace) == ["speed"]


def test_waiting_on_the_way_is_no_speed() -> None:
    writer = Writer("mug")
    grip = Grip("mug", (0.0, 0.0, 0.0))
    writer.go((*START, REST + 0.09), 0.2, 0.0, grip)
    writer.go((0.28, 0.0, REST + 0.09), 0.4, 0.0, grip)
    for _ in range(40):
        writer.see(grip, touched=True)
    writer.go((0.28, -0.1, REST + 0.09), 0.4, 0.0, grip)
    writer.go((0.28, -0.1, REST), 0.2, 0.0, grip)
    writer.see()
    writer.see()
    assert blamed("move the mug 20 cm to the left, quickly", writer.trace) == []
    assert blamed("move the mug 20 cm to the left, slowly", writer.trace) == ["speed"]


def test_picking_up_and_pushing_are_told_apart() -> None:
    picked, pushed = done("mug", (0.28, 0.0)), done("mug", (0.28, 0.0), push=True)
    assert blamed("pick up the mug and move it 10 cm to the left", picked) == []
    assert blamed("push the mug 10 cm to the left", pushed) == []
    assert blamed("pick up the mug and move it 10 cm to the left", pushed) == ["contact"]
    assert blamed("push the mug 10 cm to the left", picked) == ["contact"]
    assert "raised by 9.0 cm; asked: pushed, at most 1.0 cm" in reason(
        "push the mug 10 cm to the left", picked, "contact"
    )


def test_what_was_shoved_before_it_was_lifted_was_not_picked_up() -> None:
    writer = Writer("mug")
    writer.go((0.28, 0.05, REST), 0.1, 0.0, None)
    writer.go((0.28, 0.05, REST + 0.09), 0.1, 0.0, Grip("mug", (0, 0, 0)))
    writer.go((0.28, 0.0, REST), 0.1, 0.0, Grip("mug", (0, 0, 0)))
    writer.see()
    writer.see()
    assert blamed("move the mug 10 cm to the left", writer.trace) == ["contact"]
