"""What is gated is what is played: the curve of a chunk, blend included, is looked at before any of it."""

from __future__ import annotations

import numpy as np
import pytest
from space_judge import SpaceJudge

from realman_driver import arm_geometry
from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, RATED_LIMITS
from realman_driver.chunk_executor import ExecutorSettings
from realman_driver.gate import (
    Chunk,
    ChunkPoint,
    ChunkRules,
    ReceivedChunk,
    Refusal,
    Situation,
    SpaceBounds,
    check_chunk,
)
from realman_driver.streamer import Streamer

PERIOD_S = 0.01
# The gripper low in front of the arm, high over the table, and low further out. In a straight line of joint
# angles from the first to the last it goes 12 cm deep into the table.
LOW = (0.0, 1.24, 0.0, 1.18, 0.0, 1.94, 0.0)
HIGH = (0.0, 0.40, 0.0, 1.31, 0.0, 1.11, 0.0)
LOW_FURTHER_OUT = (0.0, 1.51, 0.0, 0.34, 0.0, 0.36, 0.0)
ANYWHERE = SpaceBounds((-9.0,) * 3, (9.0,) * 3, -9.0, 0.0, -9.0)
Pose = tuple[float, ...]


class Arm:
    """Gate, executor and stream on a clock of their own, and every pose that was sent."""

    def __init__(self, start: Pose, space: SpaceBounds | None = None, newest_share: float = 1.0) -> None:
        self.now_s = 100.0
        self.frames: list[Pose] = [start]
        settings = ExecutorSettings(newest_share=newest_share, space=space or SpaceBounds())
        self.streamer = Streamer(
            self._send, lambda value: None, lambda now_s: None, lambda text, gone: None, executor=settings
        )
        self.streamer.engage((*start, 1.0), self.now_s)

    def _send(self, frame: Pose) -> int:
        self.frames.append(frame)
        return 0

    def ask(self, points: list[tuple[float, Pose]], age_s: float = 0.0) -> Refusal | None:
        """A chunk of (time, joints) whose observation is so old."""
        stamp_s = self.now_s - age_s
        made = tuple(ChunkPoint((*joints, 1.0), time_s) for time_s, joints in points)
        chunk = ReceivedChunk(AXIS_NAMES, made, stamp_s)

        def check(setpoint: Pose) -> Chunk | Refusal:
            return check_chunk(chunk, ChunkRules(), Situation(RATED_LIMITS, setpoint, self.now_s))

        return self.streamer.submit(check, self.now_s, stamp_s)

    def run(self, seconds: float, period_s: float = PERIOD_S) -> None:
        for _ in range(round(seconds / period_s)):
            self.now_s += period_s
            self.streamer.tick(self.now_s)

    def lowest_m(self) -> float:
        shape = arm_geometry.shape_of(np.array(self.frames))
        return float(arm_geometry.table_heights(shape).min())


def between(start: Pose, goal: Pose, share: float) -> Pose:
    return tuple(a + share * (b - a) for a, b in zip(start, goal, strict=True))


def lowered(by_rad: float) -> Pose:
    """`LOW_FURTHER_OUT` with the second joint turned further: 0.014 rad of it reach the table."""
    return (0.0, LOW_FURTHER_OUT[1] + by_rad, *LOW_FURTHER_OUT[2:])


def down(goal: Pose, seconds: float) -> list[tuple[float, Pose]]:
    """From `HIGH` to a low place in so many seconds, in ten points; clear all the way."""
    return [(seconds * k / 10, between(HIGH, goal, k / 10)) for k in range(1, 11)]


def going_down(age_s: float, space: SpaceBounds | None = None) -> Arm:
    """An arm that has been on its way down to `LOW` for so long."""
    arm = Arm(HIGH, space)
    assert arm.ask(down(LOW, 1.3 * age_s)) is None
    arm.run(age_s)
    return arm


@pytest.mark.parametrize("age_s", [0.5, 0.85])
def test_a_chunk_whose_blend_would_dip_below_the_table_is_refused(age_s: float) -> None:
    """Its own way is clear, but half of it is past and the arm elsewhere: the rest cuts straight across."""
    elsewhere = down(LOW_FURTHER_OUT, age_s + 0.2)
    careless = going_down(age_s, ANYWHERE)
    assert careless.ask(elsewhere, age_s) is None
    careless.run(10.0)
    assert careless.lowest_m() < -0.03, "the scene shows nothing"

    arm = going_down(age_s)
    refusal = arm.ask(elsewhere, age_s)
    assert refusal is not None
    assert refusal.rule == "table_clearance"
    assert "on the way to point" in refusal.text
    assert "at least 0.000 m" in refusal.text
    arm.run(10.0)
    assert arm.lowest_m() >= 0.0
    assert arm.frames[-1] == pytest.approx(LOW), "the chunk before it went on to its end"


def test_the_same_chunk_is_played_when_its_observation_is_new() -> None:
    arm = Arm(HIGH)
    assert arm.ask(down(LOW_FURTHER_OUT, 1.0)) is None
    arm.run(10.0)
    assert arm.lowest_m() >= 0.0
    assert arm.frames[-1] == pytest.approx(LOW_FURTHER_OUT)


def test_mixing_with_the_chunk_before_does_not_lead_into_the_table() -> None:
    """The mean of two clear ways need not be clear."""
    arm = Arm(HIGH, newest_share=0.5)
    to_low = [(0.2 * k, between(HIGH, LOW, k / 6)) for k in range(1, 7)]
    assert arm.ask(to_low) is None
    arm.run(0.1)
    arm.ask([(0.2 * k, between(HIGH, LOW_FURTHER_OUT, k / 6)) for k in range(1, 7)], 0.1)
    arm.run(4.0)
    assert arm.lowest_m() >= 0.0


def test_a_streamed_target_around_the_base_is_refused_before_the_arm_meets_itself() -> None:
    """Teleoperation that leads the gripper back to the base, a step at a time."""
    arm, refusals = Arm(HOME_RAD), []
    folded = (0.0, 0.349066, 0.0, 2.33, 0.0, 2.0, 0.0)
    for _ in range(200):
        goal = between(arm.frames[-1], folded, 0.08)
        refusals.append(arm.ask([(0.06, goal)]))
        arm.run(0.02)
    arm.run(1.0)
    refused = [refusal for refusal in refusals if refusal is not None]
    assert refused
    assert {refusal.rule for refusal in refused} <= {"self_clearance", "table_clearance", "workspace"}
    judge = SpaceJudge(SpaceBounds(), np.random.default_rng(0))
    assert judge.unsafe(np.array(arm.frames)) == []
    assert max(abs(a - b) for a, b in zip(arm.frames[-1], HOME_RAD, strict=True)) > 0.2, "it never moved"


def test_a_streamed_target_is_refused_for_where_the_arm_would_come_to_rest() -> None:
    """A target just over the table is fine; one a little below it is not, however near."""
    arm = Arm(LOW_FURTHER_OUT)
    assert arm.ask([(0.1, lowered(0.01))]) is None
    refusal = arm.ask([(0.1, lowered(0.03))])
    assert refusal is not None
    assert refusal.rule == "table_clearance"
    arm.run(1.0)
    assert arm.lowest_m() >= 0.0


def test_after_a_stall_and_without_a_successor_the_arm_stays_on_the_way_that_was_looked_at() -> None:
    smooth, stalled = Arm(HIGH), Arm(HIGH)
    for arm in (smooth, stalled):
        assert arm.ask([(0.25 * k, between(HIGH, LOW_FURTHER_OUT, k / 5)) for k in range(1, 6)]) is None
        arm.run(0.3)
    stalled.run(0.7, 0.7)
    for arm in (smooth, stalled):
        arm.run(2.0)
        assert arm.frames[-1] == pytest.approx(LOW_FURTHER_OUT)
        assert arm.lowest_m() >= 0.0


def test_the_stream_may_go_on_while_a_chunk_is_planned_and_what_was_looked_at_is_played() -> None:
    """Frames are sent between snapshot and swap: the curve begins where the arm will be by then."""
    arm = Arm(HIGH)
    assert arm.ask(down(LOW, 1.5)) is None
    arm.run(0.4)
    executor = arm.streamer._executor
    plan, looked_at = executor._plan, []

    def slow_plan(*arguments):  # type: ignore[no-untyped-def]
        planned = plan(*arguments)
        looked_at.append(planned)
        arm.run(0.05 if len(looked_at) == 1 else 0.01)
        return planned

    executor._plan = slow_plan  # type: ignore[method-assign]
    assert arm.ask([(0.2 * k, between(arm.frames[-1], HIGH, k / 5)) for k in range(1, 6)]) is None
    assert len(looked_at) == 2, "the first plan came too late and was made again"
    begun = len(arm.frames)
    arm.run(3.0)
    curve, steps = looked_at[-1].curve, np.diff(np.array(arm.frames), axis=0) / PERIOD_S
    ahead = np.array(arm.frames[begun + 20 : begun + 60])
    on_curve = curve.positions(np.arange(curve.start_s, curve.end_s, 1e-3))
    apart = np.abs(ahead[:, None] - on_curve[None]).max(axis=2).min(axis=1)
    assert apart.max() < 3e-3
    assert np.abs(np.diff(steps, axis=0)).max() / PERIOD_S <= 10.41


def test_an_arm_that_is_too_near_already_may_get_away_and_come_no_nearer() -> None:
    """Enabled where its fingers are 11 mm in the table: sagged, or led there by hand."""
    deep = lowered(0.03)
    arm = Arm(deep)
    start_m = arm.lowest_m()
    assert start_m == pytest.approx(-0.0113, abs=1e-3)
    further = arm.ask([(0.5 * k, lowered(0.03 + 0.001 * k)) for k in range(1, 4)])
    assert further is not None
    assert further.rule == "table_clearance"
    aside = arm.ask([(0.5 * k, (0.02 * k, *deep[1:])) for k in range(1, 4)])
    assert aside is None, "turning about the vertical comes no nearer"
    arm.run(3.0)
    assert arm.lowest_m() >= start_m - 1e-6
    here = arm.frames[-1]
    assert arm.ask([(0.5 * k, between(here, HIGH, k / 4)) for k in range(1, 5)]) is None
    arm.run(4.0)
    assert arm.frames[-1] == pytest.approx(HIGH)
    back = arm.ask([(0.5 * k, between(HIGH, here, k / 4)) for k in range(1, 5)])
    assert back is not None, "once clear, it stays clear"
