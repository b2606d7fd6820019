"""One instruction, chunk after chunk."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from plan_rig import CHUNK_S, PERIOD_S, FakePolicy

from kinevla_policy.loop_types import LoopSettings

SYNC = LoopSettings(
    execution="sync",
    settle_s=0.0,
    max_instruction_s=20.0,
    max_plan_age_s=10.0,
    done_motion_rad=0.01,
    done_chunks=3,
    observation_timeout_s=0.1,
)
ASYNC = replace(SYNC, execution="async")
BOTH = pytest.mark.parametrize("settings", [SYNC, ASYNC], ids=["sync", "async"])


def test_an_instruction_ends_when_the_policy_rests(rig_of):
    rig = rig_of(FakePolicy(moving=6), SYNC)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert rig.ends[0][0] == 1 and rig.ends[0][1].startswith("done")
    assert [c.chunk_id for c in rig.chunks] == list(range(len(rig.chunks)))
    assert len(rig.chunks) == 8  # six that move, two of rest; the third rest ends it


def test_overlapping_chunks_of_rest_must_cover_as_much_time_as_chunks_in_turn(rig_of):
    rig = rig_of(FakePolicy(moving=6, period_s=0.02), ASYNC)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert rig.ends[0][1].startswith("done")
    resting = rig.policy.planned[6:]
    assert (resting[-1].stamp_ns - resting[0].stamp_ns) * 1e-9 >= 2 * 5 * 0.02 - 1e-6


def test_sync_looks_after_the_chunk_before_has_been_played(rig_of):
    rig = rig_of(FakePolicy(moving=4), SYNC)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    for sent_ns, observation in zip(rig.sent_ns, rig.policy.planned[1:], strict=False):
        assert observation.stamp_ns >= sent_ns + CHUNK_S * 1e9 - 1e6


def test_async_looks_while_the_chunk_before_is_being_played(rig_of):
    """A plan takes a fifth of a chunk; its look is due before the arm would brake for the last point."""
    rig = rig_of(FakePolicy(moving=12, think_s=0.1, period_s=0.1), ASYNC)
    rig.loop.start("go")
    rig.wait_for(lambda: len(rig.chunks) >= 8)
    rig.loop.stop()
    early = 0
    for sent_ns, observation in zip(rig.sent_ns, rig.policy.planned[1:], strict=False):
        early += observation.stamp_ns < sent_ns + 0.4e9
    assert early >= 6, "a busy computer may be late now and then, not most of the time"
    assert rig.loop.status().underruns <= 2


@BOTH
def test_the_previous_plan_is_the_draft_of_the_next(rig_of, settings):
    rig = rig_of(FakePolicy(moving=4), settings)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert rig.policy.drafts[0] is None
    assert rig.policy.drafts[1] is rig.chunks[0].plan


@BOTH
def test_no_observation_is_planned_from_twice(rig_of, settings):
    rig = rig_of(FakePolicy(moving=20), settings)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    stamps = [observation.stamp_ns for observation in rig.policy.planned]
    assert all(later > earlier for earlier, later in pairwise(stamps))


@BOTH
def test_stop_during_planning_sends_nothing_more(rig_of, settings):
    rig = rig_of(FakePolicy(think_s=0.3), settings)
    rig.loop.start("go")
    rig.wait_for(lambda: rig.policy.planned)
    assert rig.loop.stop() is True
    assert rig.ended.wait(20)
    assert rig.chunks == []
    assert rig.ends == [(1, "stopped")]


@BOTH
def test_a_new_instruction_in_mid_motion_replaces_the_running_one(rig_of, settings):
    rig = rig_of(FakePolicy(), settings)
    first = rig.loop.start("one")
    rig.wait_for(lambda: rig.chunks)
    second = rig.loop.start("two")
    assert rig.ended.wait(20)
    rig.wait_for(lambda: rig.chunks[-1].instruction_id == second)
    assert rig.ends[0] == (first, "replaced by a newer instruction")
    ids = [c.instruction_id for c in rig.chunks]
    assert ids == sorted(ids)
    assert rig.chunks[ids.index(second)].chunk_id == 0


@BOTH
def test_after_a_flood_of_instructions_the_last_one_is_followed(rig_of, settings):
    rig = rig_of(FakePolicy(think_s=0.002), settings)
    last = [rig.loop.start(f"number {k}") for k in range(500)][-1]
    rig.wait_for(lambda: rig.chunks and rig.chunks[-1].instruction_id == last)
    sent = len(rig.chunks)
    assert sent < 500
    rig.loop.stop()
    assert rig.loop.status().instruction == "number 499"


@pytest.mark.parametrize(
    ("broken", "said"),
    [("raises", "out of memory"), ("nan", "joint_7 of target 3 is nan")],
    ids=["an exception", "a target that is not a number"],
)
def test_a_failure_of_the_model_ends_the_instruction_and_the_loop_lives(rig_of, broken, said):
    rig = rig_of(FakePolicy(moving=4, broken=broken), ASYNC)
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert said in rig.ends[0][1]
    assert rig.chunks == [], "nothing of a broken plan leaves"
    rig.policy.broken = ""
    rig.ended.clear()
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert rig.ends[1][1].startswith("done")


def test_without_images_nothing_is_planned_and_the_reason_is_shown(rig_of):
    rig = rig_of(FakePolicy(), replace(ASYNC, max_blind_s=10.0))
    rig.cameras_on = False
    time.sleep(0.6)
    rig.loop.start("go")
    rig.wait_for(lambda: "camera" in rig.loop.status().phase)
    assert rig.chunks == []


def test_an_instruction_ends_when_the_cameras_stay_silent_and_motion_does_not_resume_by_itself(rig_of):
    rig = rig_of(FakePolicy(), replace(ASYNC, max_blind_s=0.3, max_observation_age_s=0.1))
    rig.loop.start("go")
    rig.wait_for(lambda: rig.chunks)
    rig.cameras_on = False
    assert rig.ended.wait(20)
    assert "nothing to plan from" in rig.ends[0][1] and "camera" in rig.ends[0][1]
    sent = len(rig.chunks)
    rig.cameras_on = True
    time.sleep(0.3)
    assert len(rig.chunks) == sent


def test_plans_that_come_too_late_are_not_sent_and_end_the_instruction(rig_of):
    rig = rig_of(FakePolicy(think_s=0.06), replace(ASYNC, max_plan_age_s=0.05))
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert "planning is too slow" in rig.ends[0][1] and "0.05 s" in rig.ends[0][1]
    assert rig.chunks == []
    assert rig.loop.status().late_plans == 10


def test_an_instruction_that_never_rests_ends_by_time(rig_of):
    rig = rig_of(FakePolicy(), replace(ASYNC, max_instruction_s=0.3))
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert "time is up" in rig.ends[0][1]


def test_a_clock_set_back_by_an_hour_does_not_stop_the_loop(rig_of, monkeypatch):
    rig = rig_of(FakePolicy(period_s=PERIOD_S), SYNC)
    rig.loop.start("go")
    rig.wait_for(lambda: len(rig.chunks) >= 2)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
    monkeypatch.setattr(rig.loop, "_clock_ns", time.time_ns)
    sent = len(rig.chunks)
    rig.wait_for(lambda: len(rig.chunks) >= sent + 3)


def test_an_unknown_execution_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'later', must be async or sync"):
        LoopSettings(execution="later")


def test_inference_ten_times_slower_than_a_chunk_goes_on_and_is_counted(rig_of):
    rig = rig_of(FakePolicy(think_s=10 * CHUNK_S), ASYNC)
    rig.loop.start("go")
    rig.wait_for(lambda: len(rig.chunks) >= 4)
    status = rig.loop.status()
    assert status.underruns >= 3
    assert status.predicted_latency_s >= 10 * CHUNK_S
    assert not rig.ends


def test_chunks_carry_the_epoch_for_which_the_instruction_was_given(rig_of):
    rig = rig_of(FakePolicy(moving=3), SYNC)
    rig.loop.start("go", epoch=12)
    assert rig.ended.wait(20)
    assert {chunk.epoch for chunk in rig.chunks} == {12}


def test_an_instruction_that_lost_its_right_ends_with_the_reason_and_sends_nothing_more(rig_of):
    rig = rig_of(FakePolicy(), SYNC)
    rig.loop.start("go", epoch=12)
    rig.wait_for(lambda: len(rig.chunks) >= 2)
    assert rig.loop.running is not None and rig.loop.running.epoch == 12
    rig.loop.stop("the arm is not enabled: the driver is STOPPED (emergency stop requested)")
    count = len(rig.chunks)
    assert rig.ended.wait(20)
    assert "emergency stop requested" in rig.ends[0][1]
    time.sleep(0.2)
    assert len(rig.chunks) == count and rig.loop.running is None


def test_five_chunks_refused_in_a_row_end_the_instruction_with_the_drivers_reason(rig_of):
    rig = rig_of(FakePolicy(), SYNC)
    number = rig.loop.start("go")
    rig.wait_for(lambda: len(rig.chunks) >= 1)
    for _ in range(4):
        rig.loop.chunk_refused(number, "too near the table")
    rig.loop.chunk_accepted()
    for _ in range(4):
        rig.loop.chunk_refused(number, "too near the table")
    assert rig.loop.running is not None, "one was accepted in between"
    rig.loop.chunk_refused(number, "too near the table")
    assert rig.ended.wait(20)
    assert rig.ends[0][1] == "the driver refused 5 chunks in a row, the last: too near the table"


def test_refusals_of_another_instruction_do_not_count(rig_of):
    rig = rig_of(FakePolicy(), SYNC)
    number = rig.loop.start("go")
    for _ in range(20):
        rig.loop.chunk_refused(number + 1, "too near the table")
    assert rig.loop.running is not None


def test_an_instruction_whose_chunks_were_all_refused_is_not_called_done(rig_of):
    rig = rig_of(FakePolicy(moving=0), SYNC)
    number = rig.loop.start("go")
    for _ in range(4):
        rig.wait_for(lambda: rig.loop.status().instruction_id == number)
        rig.loop.chunk_refused(number, "too near the table")
    assert rig.ended.wait(20)
    assert rig.ends[0][1] == "nothing moved: the driver refused every chunk, the last: too near the table"
