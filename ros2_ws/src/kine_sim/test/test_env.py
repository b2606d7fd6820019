"""The gymnasium environment: registration, spaces, determinism, refusals, interpolation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import kine_sim
from kine_sim import rm75
from kine_sim.env import KineRealmanEnv
from kine_sim.tasks import TASKS


@pytest.fixture(scope="module")
def env() -> Iterator[KineRealmanEnv]:
    environment = KineRealmanEnv(images=False)
    yield environment
    environment.close()


HOME = np.append(rm75.HOME_RAD, 1.0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_environment_made_by_its_id_passes_gymnasiums_own_check() -> None:
    made = gymnasium.make(
        f"kine_sim:{kine_sim.ENVIRONMENT_ID}", camera_size=(64, 64), render_mode="rgb_array"
    )
    check_env(made.unwrapped)
    made.close()


def test_observation_and_info_hold_what_a_policy_needs() -> None:
    environment = KineRealmanEnv(task=4)
    observation, info = environment.reset(seed=3)
    assert observation["front"].shape == observation["wrist"].shape == (256, 256, 3)
    assert observation["state"].shape == (8,)
    assert np.abs(observation["state"] - HOME).max() < 0.03
    assert info["task"] == 4
    assert info["instruction"] == TASKS[3].instruction
    assert {"coarse", "fine", "verdict"} <= set(info)
    json.dumps(asdict(info["verdict"]))
    environment.close()


def test_same_seed_and_actions_give_the_same_episode_bit_for_bit(env: KineRealmanEnv) -> None:
    def run() -> np.ndarray:
        env.reset(seed=5, options={"task": 6})
        rng = np.random.default_rng(0)
        actions = HOME + rng.uniform(-0.05, 0.0, (10, 8))
        return np.array([env.step(action)[0]["state"] for action in actions])

    assert np.array_equal(run(), run())


def test_one_step_lasts_a_tenth_of_a_second_and_runs_straight_to_the_target(env: KineRealmanEnv) -> None:
    env.reset(seed=1, options={"task": 1})
    start = env.world.measured_rad
    target = np.append(start, 1.0)
    target[0] += 0.1
    env.step(target)
    assert env.world.time_s == pytest.approx(0.1)
    halfway = env.world.measured_rad[0] - start[0]
    assert 0.04 < halfway < 0.1  # the motors lag about 25 ms behind the moving target
    env.step(target)
    env.step(target)
    assert env.world.measured_rad[0] == pytest.approx(target[0], abs=1e-3)


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, 2.5, "action: joint_2 = 2.5000 rad is outside its limit"),
        (4, np.nan, "action: joint_5 is nan"),
        (7, 1.2, "action: gripper = 1.2 is outside 0"),
    ],
)
def test_bad_action_is_refused_by_name_and_nothing_moves(
    env: KineRealmanEnv, index: int, value: float, message: str
) -> None:
    env.reset(seed=1, options={"task": 1})
    action = HOME.copy()
    action[index] = value
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert env.world.time_s == 0.0


def test_action_of_wrong_length_is_refused(env: KineRealmanEnv) -> None:
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"action must have shape \(8,\), got \(7,\)"):
        env.step(np.zeros(7))


def test_unknown_option_and_render_mode_are_refused(env: KineRealmanEnv) -> None:
    with pytest.raises(ValueError, match=r"unknown options \['tsk'\]"):
        env.reset(seed=1, options={"tsk": 3})
    with pytest.raises(ValueError, match="render_mode = 'human' is unknown"):
        KineRealmanEnv(render_mode="human")


def test_random_task_draws_them_all_and_follows_the_seed() -> None:
    environment = KineRealmanEnv(task="random", images=False)
    drawn = [environment.reset(seed=seed)[1]["task"] for seed in range(60)]
    assert set(drawn) == {1, 2, 3, 4, 5, 6, 7}
    assert drawn == [environment.reset(seed=seed)[1]["task"] for seed in range(60)]
