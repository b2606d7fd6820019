"""The bench's expert does what each attribute of a sentence asks, and tries again after a miss."""

from __future__ import annotations

import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.bench.check_expert import report, run_bench_trial
from kine_sim.bench.env import KineBenchEnv
from kine_sim.bench.expert import BenchExpert
from kine_sim.env import PERIOD_S
from kine_sim.scene import sample_scene
from kine_sim.stage import set_object
from kine_sim.tasks import TASKS
from kine_sim.world import World
from kinevla.text.language import parse_sentence

SENTENCES = (
    *(task.instruction for task in TASKS),
    "pick up the bowl and place it in the middle of the plate",
    "hold the mug by the handle side and place it on the front side of the plate",
    "pick up the bread and place it to the right of the mug",
    "pick up the block and place it behind the spoon",
    "pick up the banana and move it 20 cm to the front",
    "pick up the mug and move it 4 cm to the left, quickly",
    "pick up the bottle and move it to the right front, slowly",
    "pick up the spoon and move it 10 cm to the right, in a straight line",
    "pick up the bowl and move it to the left front, lifting it high over the table",
    "pick up the carrot and move it 12 cm to the back, keeping it low",
    "pick up the block and place it on the back side of the plate, diagonally",
    "pick up the banana and move it to the front, passing the mug on its left",
    "pick up the block and move it to the front, passing the carrot on its right, quickly",
    "pick up the spoon and move it to the left front, first to the left, then to the front",
    "pick up the carrot and move it 9 cm to the left, so that it points to the front",
    "pick up the bottle and place it in the middle of the plate, with its label to the left",
    "pick up the bowl and move it 6 cm to the left, turned by 180 degrees, quickly",
    "pick up the mug and move it to the front, turned by 90 degrees to the right",
    "push the bottle 11 cm to the right",
    "push the block to the left front, first to the front, then to the left",
    "push the spoon 10 cm to the front, turned by 45 degrees to the left, slowly",
)


@pytest.fixture(scope="module")
def env() -> KineBenchEnv:
    return KineBenchEnv(images=False)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_expert_does_what_the_sentence_says_and_touches_nothing_else(
    env: KineBenchEnv, sentence: str
) -> None:
    trial = run_bench_trial(env, 11, instruction=sentence)
    assert trial.verdict.as_told, trial.verdict.reasons
    assert trial.collisions == ()
    assert trial.attempts == 1


def test_expert_takes_a_thing_again_that_is_moved_away_under_its_fingers(env: KineBenchEnv) -> None:
    env.reset(seed=4, options={"instruction": "pick up the block and place it in the middle of the plate"})
    expert = BenchExpert(env.world, env.instruction)
    moved = False
    while not expert.done:
        info = env.step(expert.action(PERIOD_S))[4]
        if not moved and env.world.object_pose("tool")[2, 3] < 0.045:
            x, y = env.scene.table.things["block"].xy_m
            set_object(env.world.data, "block", (x - 0.03 * np.sign(x), y + 0.03 * np.sign(y), 0.0185), 0.3)
            moved = True
    assert moved and expert.attempts > 1
    assert info["verdict"].goal.passed, info["verdict"].reasons


@pytest.mark.parametrize("stop_s", [0.8, 2.6, 3.1, 3.6])
@pytest.mark.parametrize(
    "sentence",
    [
        "hold the carrot by the lower part and place it on the left side of the plate",
        "hold the bowl by the near edge and move it 9 cm to the right, turned by 180 degrees",
    ],
)
def test_a_new_expert_ends_what_another_began_after_the_arm_was_disturbed(
    env: KineBenchEnv, sentence: str, stop_s: float
) -> None:
    env.reset(seed=9, options={"instruction": sentence})
    expert = BenchExpert(env.world, env.instruction)
    while env.world.time_s < stop_s:
        action = expert.action(PERIOD_S)
        env.step(action)
    push = np.array([0.05, -0.05, 0.05, 0.0, -0.05, 0.0, 0.05])
    for _ in range(3):
        env.step(np.append(env.world.state[:7] + push, action[7]))
    again = BenchExpert(env.world, env.instruction)
    while not again.done:
        info = env.step(again.action(PERIOD_S))[4]
    assert again.attempts == 1
    assert info["verdict"].as_told, info["verdict"].reasons


def test_expert_puts_down_what_is_held_by_the_wrong_part_and_takes_the_right_one(env: KineBenchEnv) -> None:
    env.reset(seed=2, options={"instruction": "hold the spoon by the head and move it 6 cm to the left"})
    first = BenchExpert(env.world, env.instruction)
    while env.world.time_s < 3.0:
        env.step(first.action(PERIOD_S))
    second = BenchExpert(
        env.world, parse_sentence("hold the spoon by the handle and move it 6 cm to the left")
    )
    grips = []
    while not second.done:
        env.step(second.action(PERIOD_S))
        grips.append(env.trace.samples[-1].grip)
    held = [grip.at_m[0] for grip in grips if grip is not None]
    assert held[0] > 0.03 and held[-1] < -0.02


def test_plan_starts_where_the_arm_is_and_keeps_all_limits(env: KineBenchEnv) -> None:
    for seed in range(20, 26):
        env.reset(seed=seed)
        expert = BenchExpert(env.world, env.instruction)
        expert.plan()
        path = expert.reference
        assert np.array_equal(expert.target(0.0), env.world.state)
        assert (np.abs(path[:, :7]) <= rm75.POSITION_LIMIT_RAD).all()
        assert np.abs(np.diff(path[:, :7], axis=0)).max() * 100 < 2.7
        assert np.array_equal(expert.target(1e6), path[-1])


def test_expert_refuses_a_world_without_the_thing_and_to_answer_before_it_planned(env: KineBenchEnv) -> None:
    env.reset(seed=1, options={"instruction": "push the block 8 cm to the front", "things": 2})
    absent = next(name for name in ("mug", "bowl", "spoon") if name not in env.scene.table.things)
    with pytest.raises(ValueError, match=f"the scene has no {absent}, but block"):
        BenchExpert(env.world, parse_sentence(f"push the {absent} 8 cm to the front"))
    with pytest.raises(RuntimeError, match="call plan"):
        BenchExpert(env.world, env.instruction).target(0.0)
    with pytest.raises(ValueError, match="no scene of the bench"):
        BenchExpert(World(sample_scene(TASKS[0], 1)), env.instruction)


def test_check_reports_each_attribute_that_is_said_and_what_failed(env: KineBenchEnv) -> None:
    text = report([run_bench_trial(env, 11, instruction="push the block 8 cm to the front, slowly")])
    assert "as told: 1/1 100 %" in text
    assert "displacement      1 of 1" in text and "speed slow" in text and "orientation" not in text
