"""A table laid out for a sentence is judged by that sentence, however long it waits for it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kine_sim.bench import watch
from kine_sim.bench.expert import BenchExpert
from kine_sim.table import LaidTable, laid_table
from kine_sim.world import World
from kinevla.text.language import LanguageError, parse_sentence

PUSH = "push the mug 10 cm to the right, slowly"


def table(sentence: str, seed: int = 3) -> LaidTable:
    return laid_table(5, sentence, seed, randomise=True, camera_size_px=64)


def wait(laid: LaidTable, time_s: float) -> None:
    for _ in range(round(time_s / 0.02)):
        laid.world.step(10)
        laid.judge.observe(laid.world)


def perform(laid: LaidTable, sentence: str) -> dict[str, Any]:
    world = laid.world
    expert = BenchExpert(world, parse_sentence(sentence))
    expert.plan()
    began_s = world.time_s
    while world.time_s - began_s < expert.duration_s + 1.0:
        target = expert.target(world.time_s - began_s + 0.02)
        world.set_joint_target_rad(target[:7])
        world.set_gripper_target(float(np.clip(target[7], 0.0, 1.0)))
        wait(laid, 0.02)
    return laid.judge.told()


def test_a_sentence_that_was_followed_is_judged_so_attribute_by_attribute() -> None:
    laid = table(PUSH)
    wait(laid, 5.0)  # nobody has said anything yet
    told = perform(laid, PUSH)
    assert told["goal_success"] and told["kinematics_success"], told["reasons"]
    assert told["attributes"] == {"displacement": True, "speed": True, "contact": True}
    json.dumps(told)


def test_another_way_to_the_same_place_is_not_as_told() -> None:
    laid = table(PUSH)
    wait(laid, 0.1)
    told = perform(laid, "push the mug 10 cm to the right, quickly")
    assert told["goal_success"] and not told["kinematics_success"]
    assert told["attributes"] == {"displacement": True, "speed": False, "contact": True}


def test_a_table_that_rests_is_not_recorded_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[World] = []
    monkeypatch.setattr(watch, "observe", lambda trace, world, at_s: seen.append(world))
    laid = table(PUSH)
    wait(laid, 10.0)
    assert len(seen) < 0.5 * 10.0 / watch.PERIOD_S


def test_what_moves_for_longer_than_a_trial_is_said_to_be_unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_MOVING_S", 1.0)
    laid = table(PUSH)
    wait(laid, 0.1)
    assert "what came after is not judged" in perform(laid, PUSH)["reasons"][-1]


def test_a_sentence_outside_the_language_lays_out_no_table() -> None:
    with pytest.raises(LanguageError, match="paint the mug"):
        table("paint the mug")


def test_without_a_sentence_the_tasks_table_is_laid_out() -> None:
    laid = laid_table(2, "", 1, randomise=False, camera_size_px=64)
    wait(laid, 0.1)
    assert laid.name == "scene of task 2 ('pick up the bread and move it to the right front')"
    assert laid.sentence == "pick up the bread and move it to the right front" and laid.things == ("bread",)
    assert set(laid.judge.told()) >= {"goal_success", "kinematics_success", "reasons"}
