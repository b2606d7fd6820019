"""When to look, what to reckon with, how often one may ask."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kinevla_policy.chunk_timeline import ChunkTimeline
from kinevla_policy.instruction_gate import InstructionGate
from kinevla_policy.latency import LatencyPredictor
from kinevla_policy.policy_node import PolicyNode

MS = 1_000_000


def test_the_prediction_is_an_upper_quantile_of_the_recent_latencies():
    predictor = LatencyPredictor(quantile=0.9, first_s=0.3, kept=20)
    assert predictor.predict_s() == 0.3
    for k in range(100):
        predictor.add(0.1 if k % 10 else 0.4)
    assert predictor.predict_s() == 0.4
    for _ in range(20):
        predictor.add(0.05)
    assert predictor.predict_s() == 0.05, "what is long past does not count"


def test_a_chunk_sent_in_motion_ends_its_length_after_the_observation():
    timeline = ChunkTimeline()
    timeline.sent(1000 * MS, 1100 * MS, 5, 0.1)  # the arm rested: it begins when sent
    assert timeline.end_ns == 1600 * MS
    timeline.sent(1300 * MS, 1400 * MS, 5, 0.1)  # it moved meanwhile: 0.1 s of it are past
    assert timeline.end_ns == 1800 * MS
    assert timeline.brake_ns == 1700 * MS


def test_only_the_time_of_rest_is_added_when_the_chunk_before_ended_meanwhile():
    timeline = ChunkTimeline()
    timeline.sent(1000 * MS, 1000 * MS, 5, 0.1)
    timeline.sent(1400 * MS, 1800 * MS, 5, 0.1)  # moved until 1500, rested 300 ms
    assert timeline.end_ns == (1400 + 300 + 500) * MS


def test_the_next_look_is_early_enough_for_its_chunk_to_come_before_the_arm_brakes():
    timeline = ChunkTimeline()
    timeline.sent(1000 * MS, 1000 * MS, 5, 0.1)
    assert timeline.next_look_ns(0.12, 0.03) == (1400 - 120 - 30) * MS


def test_instructions_faster_than_a_person_speaks_are_refused_with_the_bound():
    gate = InstructionGate(lambda text, hindered: text.lower(), 0.2)
    assert gate.admit("GO", 10.0) == "go"
    with pytest.raises(ValueError, match=r"came 0\.05 s ago, at least 0\.20 s apart"):
        gate.admit("GO", 10.05)
    assert gate.admit("GO", 10.25) == "go"


def test_an_obstacle_refuses_an_instruction_that_is_understood_with_every_reason():
    gate = InstructionGate(lambda text, hindered: text.lower(), 0.2)
    with pytest.raises(ValueError, match="the arm is not enabled; no image from the front camera yet"):
        gate.admit("GO", 10.0, ["the arm is not enabled", "no image from the front camera yet"])
    assert gate.admit("GO", 10.01) == "go", "a refused one does not hold up the next"


def test_a_refused_instruction_does_not_hold_up_the_next_one():
    def check(text: str, hindered: bool) -> str:
        if not text:
            raise ValueError("empty")
        return text

    gate = InstructionGate(check, 0.2)
    with pytest.raises(ValueError, match="empty"):
        gate.admit("", 10.0)
    assert gate.admit("go", 10.01) == "go"


def test_a_sentence_is_refused_while_no_pictures_of_one_moment_show_what_is_meant():
    """Cameras that are heard but never together: nothing can be said about the sentence, so nothing moves."""
    node = SimpleNamespace(
        _policy=SimpleNamespace(check_instruction=str.lower),
        _buffer=SimpleNamespace(newest=lambda not_before_ns: "the closest images are 0.150 s apart"),
        _now_ns=lambda: 0,
        _settings=SimpleNamespace(max_observation_age_s=0.3),
    )
    with pytest.raises(ValueError, match=r"cannot see what is meant: the closest images are 0\.150 s apart"):
        PolicyNode._understood(node, "Dance", False)
    assert PolicyNode._understood(node, "Dance", True) == "dance", "what else is in the way is told instead"
