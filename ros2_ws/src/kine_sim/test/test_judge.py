"""The judge tells goal from kinematics, and says why."""

from __future__ import annotations

import numpy as np
import pytest

from kine_sim import layout, rm75
from kine_sim.check_expert import SETTLE_STEPS
from kine_sim.check_judge import Cell, clean, judge_motion, table
from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import ScriptedExpert
from kine_sim.judge import Judge, Verdict
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS, Task
from kine_sim.world import World


@pytest.fixture(scope="module")
def env() -> KineRealmanEnv:
    return KineRealmanEnv(images=False)


def judge_expert(env: KineRealmanEnv, done: Task, asked: Task, seed: int = 0, share: float = 1.0) -> Verdict:
    """The expert does one task and is judged by another one's sentence."""
    env.reset(seed=seed, options={"task": done})
    expert = ScriptedExpert(env)
    expert.plan()
    judge = Judge(asked, env.scene)
    for k in range(1, int(share * expert.duration_s / PERIOD_S) + SETTLE_STEPS):
        env.step(expert.target(k * PERIOD_S))
        judge.observe(env.world)
    return judge.verdict()


def failures(verdict: Verdict) -> list[str]:
    return [reason for reason in verdict.reasons if reason.startswith("failed")]


def test_wrong_part_reaches_the_goal_but_not_the_kinematics(env: KineRealmanEnv) -> None:
    verdict = judge_expert(env, done=TASKS[6], asked=TASKS[3])
    assert verdict.goal_success and not verdict.kinematics_success
    assert len(failures(verdict)) == 1
    assert "% of the length from the tip: lower part; asked: upper" in failures(verdict)[0]


def test_wrong_side_of_the_plate_reaches_the_goal_but_not_the_kinematics(env: KineRealmanEnv) -> None:
    verdict = judge_expert(env, done=TASKS[4], asked=TASKS[3])
    assert verdict.goal_success and not verdict.kinematics_success
    assert "3.5 cm left of the plate's centre; asked: right side of the plate" in failures(verdict)[0]


@pytest.mark.parametrize("asked", [TASKS[1], TASKS[2]])
def test_wrong_region_moves_the_bread_but_not_as_asked(env: KineRealmanEnv, asked: Task) -> None:
    verdict = judge_expert(env, done=TASKS[0], asked=asked)
    assert verdict.goal_success and not verdict.kinematics_success
    assert f"cm from the middle of the {asked.goal_region.replace('_', ' ')}" in failures(verdict)[0]


def test_object_still_in_the_hand_is_no_success(env: KineRealmanEnv) -> None:
    verdict = judge_expert(env, done=TASKS[3], asked=TASKS[3], share=0.65)
    assert not verdict.goal_success
    assert "failed: the fingers still touch the carrot" in verdict.reasons


def test_bread_that_was_pushed_and_never_picked_up_fails_the_order() -> None:
    task, scene = TASKS[2], sample_scene(TASKS[2], 0)
    world, judge = World(scene), Judge(task, scene)
    judge.observe(world)
    goal = layout.TABLE_REGIONS["front"].centre_m
    world.place(rm75.HOME_RAD, 1.0, ((*goal, layout.rest_height_m("bread")), (1, 0, 0, 0)))
    judge.observe(world)
    verdict = judge.verdict()
    assert verdict.goal_success and not verdict.kinematics_success
    assert failures(verdict) == [
        "failed: the bread was never lifted 3 cm between both fingers; asked: pick first",
        "failed: the bread was not carried; asked: a direct way",
        "failed: the bread was never in the hand; asked: put down, not dropped",
    ]
    assert verdict.object_end_xy_m == pytest.approx(goal)


def test_tipped_object_is_no_success() -> None:
    scene = sample_scene(TASKS[0], 0)
    world, judge = World(scene), Judge(TASKS[0], scene)
    side_up = (np.sqrt(0.5), np.sqrt(0.5), 0, 0)
    world.place(rm75.HOME_RAD, 1.0, ((*layout.TABLE_REGIONS["left_front"].centre_m, 0.02), side_up))
    judge.observe(world)
    assert "failed: the bread lies still, tipped over" in judge.verdict().reasons


def test_untouched_scene_fails_everything_and_explains(env: KineRealmanEnv) -> None:
    _, info = env.reset(seed=1, options={"task": 5})
    verdict = info["verdict"]
    assert not verdict.goal_success and not verdict.kinematics_success
    assert len(failures(verdict)) >= 3
    assert verdict.object_end_xy_m == pytest.approx(env.scene.object_xy_m, abs=1e-3)


def test_judge_refuses_a_scene_without_the_tasks_object() -> None:
    with pytest.raises(ValueError, match="task 1 is about the bread, but the scene has the carrot"):
        Judge(TASKS[0], sample_scene(TASKS[3], 0))


@pytest.mark.parametrize("instruction", range(1, 8))
def test_only_the_asked_motion_passes_each_sentence(env: KineRealmanEnv, instruction: int) -> None:
    passed = [
        motion
        for motion in range(1, 8)
        if judge_motion(env, instruction, str(motion), 611).kinematics_success
    ]
    assert passed == [instruction]


@pytest.mark.parametrize(
    ("mistake", "goal", "reason"),
    [
        ("drop", True, "cm above where it can lie; asked: put down from at most 2 cm"),
        ("detour", True, "asked: a direct way, at most 1.6 times the distance"),
        ("keep_hold", False, "the fingers still touch the carrot"),
        ("push", False, "was never lifted 3 cm between both fingers; asked: pick first"),
    ],
)
def test_a_mistake_is_noticed_and_named(env: KineRealmanEnv, mistake: str, goal: bool, reason: str) -> None:
    verdict = judge_motion(env, 5, mistake, 612)
    assert (verdict.goal_success, verdict.kinematics_success) == (goal, False)
    assert any(reason in failure for failure in failures(verdict))


def test_pushed_bread_may_reach_the_goal_but_not_the_kinematics(env: KineRealmanEnv) -> None:
    verdicts = [judge_motion(env, 2, "push", seed) for seed in range(500, 506)]
    assert any(verdict.goal_success for verdict in verdicts)
    assert not any(verdict.kinematics_success for verdict in verdicts)


def test_a_table_with_a_wrong_motion_that_passes_is_not_clean() -> None:
    good = [Cell(1, "1", 20, 20, 19), Cell(1, "2", 20, 20, 0)]
    assert clean(good)
    assert not clean([good[0], Cell(1, "2", 20, 20, 1)])
    assert not clean([Cell(1, "1", 20, 20, 18), good[1]])
    assert "kinematics successes of 20" in table(good)
