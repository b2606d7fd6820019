"""The scripted expert succeeds with real friction, fails without, and can start in the middle."""

from __future__ import annotations

import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.check_expert import report, run_trial
from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import SAMPLE_PERIOD_S, ScriptedExpert
from kine_sim.tasks import TASKS
from kine_sim.world import World


@pytest.fixture(scope="module")
def env() -> KineRealmanEnv:
    return KineRealmanEnv(images=False)


def follow(env: KineRealmanEnv, expert: ScriptedExpert, until_s: float | None = None) -> dict[str, object]:
    end_s = expert.duration_s + 0.3 if until_s is None else until_s
    info: dict[str, object] = {}
    for k in range(1, int(np.ceil(end_s / PERIOD_S)) + 1):
        info = env.step(expert.target(k * PERIOD_S))[4]
    return info


@pytest.mark.parametrize("task", range(1, 8))
def test_expert_does_every_task_as_asked_without_touching_the_table(env: KineRealmanEnv, task: int) -> None:
    for seed in (100, 101):
        trial = run_trial(task, seed, env=env)
        assert trial.goal and trial.kinematics, trial.reasons
        assert trial.collisions == ()
        assert trial.max_joint_speed_rad_s < 1.5
        assert 3.0 < trial.duration_s < 7.0


@pytest.mark.parametrize("task", [1, 3, 4, 7])
def test_nothing_is_lifted_when_fingers_and_object_are_slippery(env: KineRealmanEnv, task: int) -> None:
    trial = run_trial(task, 0, friction=0.05, env=env)
    assert not trial.goal and not trial.kinematics
    assert any("was never lifted" in reason for reason in trial.reasons)


def test_plan_starts_at_the_measured_pose_and_has_no_jumps_or_idle_ends(env: KineRealmanEnv) -> None:
    env.reset(seed=4, options={"task": 5})
    expert = ScriptedExpert(env)
    expert.plan()
    path = expert.reference
    assert np.array_equal(expert.target(0.0), env.world.state)
    speed = np.abs(np.diff(path[:, :7], axis=0)) / SAMPLE_PERIOD_S
    assert speed.max() < 1.5
    assert np.abs(np.diff(speed, axis=0)).max() < 0.25  # no jumps of speed either
    assert (np.abs(path[:, :7]) <= rm75.POSITION_LIMIT_RAD).all()
    for first, last in ((0, 10), (-11, -1)):
        assert np.abs(path[last] - path[first]).max() > 1e-3
    assert np.array_equal(expert.target(1e6), path[-1])
    assert expert.duration_s == pytest.approx((len(path) - 1) * SAMPLE_PERIOD_S)


def test_joint_7_stays_within_a_quarter_turn_so_demonstrations_have_one_shape(env: KineRealmanEnv) -> None:
    for task in (1, 4, 6):
        for seed in range(10):
            env.reset(seed=seed, options={"task": task})
            expert = ScriptedExpert(env)
            expert.plan()
            assert np.abs(expert.reference[:, 6]).max() < np.pi / 2


@pytest.mark.parametrize("stop_s", [0.8, 2.0, 3.2])
def test_expert_recovers_from_a_disturbed_arm_in_the_middle(env: KineRealmanEnv, stop_s: float) -> None:
    env.reset(seed=9, options={"task": 6})
    expert = ScriptedExpert(env)
    expert.plan()
    follow(env, expert, stop_s)
    state = env.world.state
    push = np.array([0.05, -0.05, 0.05, 0.0, -0.05, 0.0, 0.05])
    for _ in range(3):
        env.step(np.append(state[:7] + push, expert.target(stop_s)[7]))
    again = ScriptedExpert(env)
    again.plan()
    assert np.array_equal(again.target(0.0), env.world.state)
    verdict = follow(env, again)["verdict"]
    assert verdict.kinematics_success, verdict.reasons  # type: ignore[attr-defined]


def test_expert_puts_the_carrot_down_and_takes_the_asked_part_when_it_holds_the_other(
    env: KineRealmanEnv,
) -> None:
    env.reset(seed=2, options={"task": 4})
    first = ScriptedExpert(env)
    first.plan()
    follow(env, first, 2.6)
    assert env.world.grip_contact().along_m > 0.02
    second = ScriptedExpert(env.world, TASKS[5])
    second.plan()
    follow(env, second, second.duration_s * 0.7)
    assert env.world.grip_contact().along_m < -0.02


def test_expert_only_retreats_when_the_object_is_already_placed(env: KineRealmanEnv) -> None:
    env.reset(seed=3, options={"task": 2})
    expert = ScriptedExpert(env)
    expert.plan()
    follow(env, expert)
    again = ScriptedExpert(env)
    again.plan()
    assert again.duration_s < 1.0


def test_expert_refuses_a_world_without_task_or_with_another_object(env: KineRealmanEnv) -> None:
    env.reset(seed=1, options={"task": 1})
    world: World = env.world
    with pytest.raises(ValueError, match="the expert needs a task"):
        ScriptedExpert(world)
    with pytest.raises(ValueError, match="task 4 is about the carrot, but the scene has the bread"):
        ScriptedExpert(world, TASKS[3])
    expert = ScriptedExpert(env)
    with pytest.raises(RuntimeError, match="call plan"):
        expert.target(0.0)
    expert.plan()
    with pytest.raises(ValueError, match=r"t_s = -1\.0"):
        expert.target(-1.0)


def test_check_reports_rates_with_intervals_over_the_scenes(env: KineRealmanEnv) -> None:
    text = report([run_trial(3, 0, env=env)])
    assert "kinematics 1/1 100 % [21, 100]*, 1 scenes" in text and "* fewer scenes differ" in text
