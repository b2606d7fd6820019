"""The environment of the bench: registration, spaces, sentences, determinism, refusals."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import kine_sim
from kine_sim import rm75
from kine_sim.bench.env import KineBenchEnv
from kine_sim.env import KineRealmanEnv
from kinevla.text.language import LanguageError, parse_sentence, parse_texts

HOME = np.append(rm75.HOME_RAD, 1.0)
SENTENCE = "push the block 8 cm to the front, slowly"


@pytest.fixture(scope="module")
def env() -> Iterator[KineBenchEnv]:
    environment = KineBenchEnv(images=False)
    yield environment
    environment.close()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_environment_made_by_its_id_passes_gymnasiums_own_check() -> None:
    made = gymnasium.make(
        f"kine_sim:{kine_sim.BENCH_ENVIRONMENT_ID}", camera_size=(64, 64), render_mode="rgb_array"
    )
    check_env(made.unwrapped)
    made.close()


def test_a_policy_of_the_seven_tasks_fits_without_change() -> None:
    seven, bench = KineRealmanEnv(), KineBenchEnv()
    assert bench.action_space == seven.action_space
    assert bench.observation_space == seven.observation_space
    observation, _ = bench.reset(seed=1)
    assert bench.observation_space.contains(observation)
    seven.close()
    bench.close()


def test_a_sentence_and_its_instruction_start_the_same_episode(env: KineBenchEnv) -> None:
    _, told = env.reset(seed=3, options={"instruction": SENTENCE})
    scene = env.scene
    _, structured = env.reset(seed=3, options={"instruction": parse_sentence(SENTENCE)})
    assert env.scene == scene
    assert told["instruction"] == SENTENCE
    assert (told["coarse"], told["fine"]) == (structured["coarse"], structured["fine"])
    assert parse_texts(told["coarse"], told["fine"]) == env.instruction == parse_sentence(SENTENCE)
    assert not told["verdict"].as_told and len(env.trace.samples) == 1


def test_without_a_sentence_the_seed_draws_one_that_means_what_the_info_says(env: KineBenchEnv) -> None:
    infos = [env.reset(seed=seed)[1] for seed in range(8)]
    again = [env.reset(seed=seed)[1] for seed in range(8)]
    assert [info["instruction"] for info in infos] == [info["instruction"] for info in again]
    assert len({info["instruction"] for info in infos}) == 8
    for info in infos:
        assert parse_sentence(info["instruction"]) == parse_texts(info["coarse"], info["fine"])


def test_same_seed_and_actions_give_the_same_episode_bit_for_bit(env: KineBenchEnv) -> None:
    def run() -> np.ndarray:
        env.reset(seed=5)
        rng = np.random.default_rng(0)
        for action in HOME + rng.uniform(-0.05, 0.0, (5, 8)):
            env.step(action)
        return np.array([pose for sample in env.trace.samples for pose in sample.poses.values()])

    assert np.array_equal(run(), run())


def test_trace_has_a_sample_each_twentieth_of_a_second_of_everything_on_the_table(env: KineBenchEnv) -> None:
    env.reset(seed=2)
    for _ in range(3):
        env.step(HOME)
    times = [sample.time_s for sample in env.trace.samples]
    assert times == pytest.approx([0.0, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30])
    assert set(env.trace.samples[-1].poses) == {thing.name for thing in env.scene.things}


def test_things_lie_still_where_the_scene_says_and_do_not_sink_or_roll(env: KineBenchEnv) -> None:
    for seed in (1, 4, 7, 9):
        env.reset(seed=seed, options={"things": 4})
        for _ in range(5):
            env.step(HOME)
        first, last = env.trace.samples[0].poses, env.trace.samples[-1].poses
        for name in first:
            assert np.abs(last[name] - first[name]).max() < 0.003, name


def test_bad_options_and_sentences_are_refused_by_name(env: KineBenchEnv) -> None:
    with pytest.raises(ValueError, match=r"unknown options \['task'\]: known are instruction"):
        env.reset(seed=1, options={"task": 3})
    with pytest.raises(LanguageError, match="not understood"):
        env.reset(seed=1, options={"instruction": "sing a song about the mug"})
    with pytest.raises(ValueError, match="a scene needs its instruction"):
        env.reset(seed=1, options={"scene": env.scene})
    with pytest.raises(ValueError, match=r"action must have shape \(8,\), got \(7,\)"):
        env.step(np.zeros(7))
