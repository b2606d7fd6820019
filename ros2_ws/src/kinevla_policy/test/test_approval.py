"""Approve before motion: a plan is shown, and nothing moves until somebody says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_rig import FakePolicy, Rig

from kinevla_policy.loop_types import LoopSettings

SETTINGS = LoopSettings(
    require_approval=True, approval_timeout_s=20.0, max_plan_age_s=10.0, settle_s=0.0, max_instruction_s=20.0
)


@pytest.fixture
def rig(rig_of) -> Rig:
    return rig_of(FakePolicy(moving=5), SETTINGS)


def waiting(rig: Rig) -> int:
    instruction_id = rig.loop.start("go")
    rig.wait_for(lambda: rig.shown and rig.shown[-1].instruction_id == instruction_id)
    return instruction_id


def test_the_plan_is_shown_and_nothing_is_sent_before_it_is_approved(rig: Rig):
    waiting(rig)
    assert [report.plan.kinematics_text for report in rig.shown] == ["to the left front"]
    assert rig.chunks == []


def test_approved_as_proposed_the_texts_shown_hold_for_the_whole_instruction(rig: Rig):
    instruction_id = waiting(rig)
    answer = rig.loop.approve(0, "")
    assert answer.accepted and answer.instruction_id == instruction_id
    assert "as proposed: to the left front" in answer.text
    assert rig.ended.wait(20)
    assert rig.ends[0][1].startswith("done")
    assert len(rig.chunks) >= 5
    assert set(rig.policy.forced[1:]) == {("move the bread", "to the left front")}


def test_an_edited_reasoning_is_forced(rig: Rig):
    instruction_id = waiting(rig)
    assert rig.loop.approve(instruction_id, " to the  right front ").accepted
    rig.wait_for(lambda: rig.chunks)
    assert rig.policy.forced[1] == ("move the bread", "to the right front")


def test_the_motion_begins_from_a_look_taken_after_the_approval(rig: Rig):
    waiting(rig)
    shown_ns = rig.shown[0].observation.stamp_ns
    rig.loop.approve(0, "")
    rig.wait_for(lambda: rig.chunks)
    assert rig.chunks[0].observation.stamp_ns > shown_ns


def test_a_stop_while_waiting_drops_the_plan(rig: Rig):
    waiting(rig)
    assert rig.loop.stop() is True
    assert rig.ended.wait(20)
    answer = rig.loop.approve(0, "")
    assert not answer.accepted and answer.text == "no plan waits for approval"
    assert rig.chunks == [] and rig.ends == [(1, "stopped")]


def test_a_new_instruction_takes_the_place_of_the_one_that_waits(rig: Rig):
    first = waiting(rig)
    second = waiting(rig)
    refused = rig.loop.approve(first, "")
    assert not refused.accepted
    assert refused.text == f"instruction {first} does not wait for approval, {second} does"
    assert rig.loop.approve(second, "").accepted
    rig.wait_for(lambda: rig.chunks)
    assert {chunk.instruction_id for chunk in rig.chunks} == {second}


def test_a_reasoning_of_unknown_words_is_refused_and_the_plan_goes_on_waiting(rig: Rig):
    waiting(rig)
    answer = rig.loop.approve(0, "like a flamingo")
    assert not answer.accepted and answer.text.startswith("'flamingo'")
    assert rig.loop.status().phase == "waiting for approval"
    assert rig.loop.approve(0, "").accepted


def test_nothing_can_be_approved_twice_or_without_a_plan(rig: Rig):
    assert not rig.loop.approve(0, "").accepted
    waiting(rig)
    assert rig.loop.approve(0, "").accepted
    assert not rig.loop.approve(0, "").accepted


def test_a_plan_nobody_approves_is_dropped_and_says_so(rig_of):
    rig = rig_of(FakePolicy(), replace(SETTINGS, approval_timeout_s=0.2))
    rig.loop.start("go")
    assert rig.ended.wait(20)
    assert rig.ends[0][1].startswith("not approved within")
    assert rig.chunks == []
