"""In the simulated world a single mistake is blamed, and nothing that was done as told."""

from __future__ import annotations

from kine_sim.bench.check_judge import scene_trials
from kine_sim.bench.env import KineBenchEnv
from kine_sim.bench.wrong_expert import confusion


def test_mistakes_of_the_expert_are_blamed_and_nothing_else() -> None:
    env = KineBenchEnv(images=False)
    trials = [trial for seed in (3, 5) for trial in scene_trials(env, seed)]
    counted = confusion((mistake, verdict) for mistake, _, _, verdict in trials)
    caught, made = counted.caught()
    blamed, right = counted.falsely_blamed()
    assert made >= 3 and right > 10
    assert (caught, blamed) == (made, 0), counted.table()
    for mistake, asked, told, _ in trials:
        assert (told == asked) == (mistake is None)
