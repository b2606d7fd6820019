"""Check of the bench's expert: `python -m kine_sim.bench.check_expert [--trials 100] [--first-seed 0]`.

Draws an instruction and a scene for every seed, runs the expert with collisions on and without images, and
prints what the judge says, attribute by attribute.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kine_sim.bench.env import KineBenchEnv
from kine_sim.bench.expert import BenchExpert
from kine_sim.bench.judge import BenchVerdict
from kine_sim.bench.plan import PlanError
from kine_sim.env import PERIOD_S
from kinevla.evaluation.statistics import Rate
from kinevla.text.language import Instruction

SETTLE_STEPS = 3
MAX_STEPS = 400


@dataclass(frozen=True)
class BenchTrial:
    """One judged run of the expert.

    Attributes:
        seed: of instruction and scene.
        sentence: what was said.
        asked: what it means.
        verdict: of the judge, at the end.
        attempts: how often the expert planned.
        redraws: how many instructions were drawn before that had no scene.
        duration_s: simulated time.
        collisions: what the arm touched that it should not.
        stopped: why the expert gave up, empty where it did not.
    """

    seed: int
    sentence: str
    asked: Instruction
    verdict: BenchVerdict
    attempts: int
    redraws: int
    duration_s: float
    collisions: tuple[str, ...]
    stopped: str = ""


def run_bench_trial(env: KineBenchEnv, seed: int, **options: Any) -> BenchTrial:
    """Run the expert once; `options` as of the environment's reset."""
    _, info = env.reset(seed=seed, options=options)
    redraws = info["redraws"]
    expert = BenchExpert(env.world, env.instruction)
    collisions: set[str] = set()
    stopped, settled = "", 0
    try:
        for _ in range(MAX_STEPS):
            _, _, _, _, info = env.step(expert.action(PERIOD_S))
            collisions.update(env.world.arm_contacts())
            settled += expert.done
            if settled > SETTLE_STEPS:
                break
    except PlanError as error:
        stopped = str(error)
    return BenchTrial(
        seed,
        info["instruction"],
        env.instruction,
        info["verdict"],
        expert.attempts,
        redraws,
        env.world.time_s,
        tuple(sorted(collisions)),
        stopped,
    )


def kinds_of(asked: Instruction) -> Iterator[str]:
    """Names of what an instruction says, for a table: attribute and value."""
    yield f"thing {asked.thing}"
    yield f"contact {asked.contact}"
    if asked.part is not None:
        yield f"part {asked.thing} {asked.part}"
    if asked.target is not None:
        yield f"target {asked.target.relation}"
    if asked.displacement is not None:
        yield "displacement"
    if asked.path is not None:
        yield f"path {asked.path.kind}"
    if asked.orientation is not None:
        yield f"orientation {asked.orientation.kind}"
    if asked.speed is not None:
        yield f"speed {asked.speed}"


def report(trials: Sequence[BenchTrial]) -> str:
    """Rates in total, of each attribute that is said, and of trials by what they say; then what failed."""
    told: dict[str, list[bool]] = defaultdict(list)
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for trial in trials:
        told["goal"].append(trial.verdict.goal.passed)
        for name, outcome in trial.verdict.attributes.items():
            told[name].append(outcome.passed)
        for kind in kinds_of(trial.asked):
            by_kind[kind].append(trial.verdict.as_told)
    whole = Rate.of([trial.verdict.as_told for trial in trials], [trial.seed for trial in trials])
    lines = [f"as told: {whole.text()}"]
    lines += [f"  {name:<14} {sum(passed):>4} of {len(passed)}" for name, passed in told.items()]
    lines.append("as told, by what is said:")
    lines += [f"  {kind:<28} {sum(p):>4} of {len(p)}" for kind, p in sorted(by_kind.items())]
    lines.append(
        f"instructions without a scene: {sum(t.redraws for t in trials)}; planned again: "
        f"{sum(t.attempts > 1 for t in trials)}; mean {sum(t.duration_s for t in trials) / len(trials):.1f} s"
    )
    for trial in trials:
        failed = [reason for reason in trial.verdict.reasons if reason.startswith("failed")]
        if failed or trial.stopped:
            lines.append(f"seed {trial.seed}: {trial.sentence}: {'; '.join([*failed, trial.stopped])}")
        if trial.collisions:
            lines.append(f"seed {trial.seed}: contact {', '.join(trial.collisions)}")
    return "\n".join(lines)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    if options.trials < 1:
        parser.error(f"--trials = {options.trials} must be at least 1")
    env, began = KineBenchEnv(images=False), time.monotonic()
    seeds = range(options.first_seed, options.first_seed + options.trials)
    print(report([run_bench_trial(env, seed) for seed in seeds]))
    print(f"{60 * len(seeds) / (time.monotonic() - began):.0f} trials a minute")


if __name__ == "__main__":
    main()
