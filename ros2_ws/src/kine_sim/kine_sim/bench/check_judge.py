"""Check of the bench's judge: `python -m kine_sim.bench.check_judge [--scenes 20] [--first-seed 0]`.

In every scene the expert does what is asked, and then makes one mistake after the other: it is told an
instruction that differs in one attribute, and judged by the one that is asked. The table says who is blamed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from math import dist

import numpy as np

from kine_sim.bench.check_expert import MAX_STEPS, SETTLE_STEPS
from kine_sim.bench.env import KineBenchEnv
from kine_sim.bench.expert import BenchExpert
from kine_sim.bench.goal import goals
from kine_sim.bench.judge import Attribute, BenchVerdict, judge, said
from kine_sim.bench.limits import LIMITS
from kine_sim.bench.plan import PlanError, find_plan
from kine_sim.bench.scene import BenchScene
from kine_sim.bench.wrong_expert import Confusion, mistakes
from kine_sim.env import PERIOD_S
from kine_sim.scene import NoPlaceError
from kinevla.text.language import Instruction, say
from kinevla.text.language.draw import draw_instruction

MIN_CAUGHT = 0.98
MAX_FALSELY_BLAMED = 0.01
ATTRIBUTE_SHARE = 0.5
"""How often path, orientation and speed are said, more than usual: each is to be mistaken often."""
_STREAM = 72
_SPARE_M = 0.005


def possible_mistake(asked: Instruction, attribute: Attribute, scene: BenchScene) -> Instruction | None:
    """Return the nearest mistake that can be made in a scene, None where there is none.

    It must move the thing so far that the goal is reached.
    """
    table = scene.table
    for told in mistakes(asked, attribute):
        try:
            end = find_plan(told, table, goals(told, table)).goal.xy_m
        except PlanError:
            continue
        if dist(end, table.things[told.thing].xy_m) > LIMITS.min_move_m + _SPARE_M:
            return told
    return None


def told_otherwise(env: KineBenchEnv, asked: Instruction, told: Instruction, seed: int) -> BenchVerdict:
    """Let the expert do what it is told in the running scene, and judge it by what was asked."""
    env.reset(seed=seed, options={"instruction": asked, "scene": env.scene})
    expert, settled = BenchExpert(env.world, told), 0
    try:
        for _ in range(MAX_STEPS):
            env.step(expert.action(PERIOD_S))
            settled += expert.done
            if settled > SETTLE_STEPS:
                break
    except PlanError:
        pass  # judged by what it did so far
    return judge(asked, env.trace)


def scene_trials(
    env: KineBenchEnv, seed: int
) -> Iterator[tuple[Attribute | None, Instruction, Instruction, BenchVerdict]]:
    """Yield the mistake (None at first), what was asked and told, and the verdict, for one drawn scene."""
    rng = np.random.default_rng([seed, _STREAM])
    while True:
        try:
            asked = draw_instruction(rng, attribute_share=ATTRIBUTE_SHARE)
            env.reset(seed=seed, options={"instruction": asked})
            break
        except NoPlaceError:
            continue
    yield None, asked, asked, told_otherwise(env, asked, asked, seed)
    for attribute in said(asked):
        told = possible_mistake(asked, attribute, env.scene)
        if told is not None:
            yield attribute, asked, told, told_otherwise(env, asked, told, seed)


def main() -> int:
    """Command line entry; exit status 1 where too little is caught or too much is blamed falsely."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    if options.scenes < 1:
        parser.error(f"--scenes = {options.scenes} must be at least 1")
    env, counted = KineBenchEnv(images=False), Confusion()
    for seed in range(options.first_seed, options.first_seed + options.scenes):
        for mistake, asked, told, verdict in scene_trials(env, seed):
            counted.add(mistake, verdict)
            failed = {name for name, outcome in verdict.attributes.items() if not outcome.passed}
            if not verdict.goal.passed or failed != {mistake} - {None}:
                print(f"seed {seed}, mistake in {mistake or 'nothing'}: asked {say(asked)!r}")
                print(f"  told {say(told)!r}")
                print(*(f"  {reason}" for reason in verdict.reasons if reason.startswith("failed")), sep="\n")
    caught, made = counted.caught()
    blamed, right = counted.falsely_blamed()
    print(counted.table())
    print(f"mistakes caught: {caught} of {made}; blamed though done as told: {blamed} of {right}")
    return 0 if caught >= MIN_CAUGHT * made and blamed <= MAX_FALSELY_BLAMED * right else 1


if __name__ == "__main__":
    sys.exit(main())
