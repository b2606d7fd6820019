"""Check of the scripted expert: `python -m kine_sim.check_expert [--trials 20] [--friction F]`.

Runs every task from the same seeded placements, with collisions on and without images, and prints the
success of goal and kinematics per task and in total, with 95 % intervals over the placements.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.pool import Pool

from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import ScriptedExpert
from kine_sim.tasks import TASKS, task_by_number
from kinevla.evaluation.statistics import FOOTNOTE, WILSON, Rate
from kinevla.safe_path import safe_path

SETTLE_STEPS = 3


@dataclass(frozen=True)
class Trial:
    """One judged run of the expert."""

    task: int
    seed: int
    goal: bool
    kinematics: bool
    duration_s: float
    max_joint_speed_rad_s: float
    reasons: tuple[str, ...]
    collisions: tuple[str, ...]


def run_trial(
    task: int, seed: int, friction: float | None = None, env: KineRealmanEnv | None = None
) -> Trial:
    """Run the expert once through the environment and judge it."""
    env = env or KineRealmanEnv(images=False)
    _, info = env.reset(seed=seed, options={"task": task_by_number(task), "friction": friction})
    expert = ScriptedExpert(env)
    expert.plan()
    fastest = 0.0
    collisions: set[str] = set()
    steps = int(-(-expert.duration_s // PERIOD_S)) + SETTLE_STEPS
    for k in range(1, steps + 1):
        _, _, _, _, info = env.step(expert.target(k * PERIOD_S))
        fastest = max(fastest, float(abs(env.world.measured_velocity_rad_s).max()))
        collisions.update(env.world.arm_contacts())
    verdict = info["verdict"]
    return Trial(
        task,
        seed,
        verdict.goal_success,
        verdict.kinematics_success,
        expert.duration_s,
        fastest,
        verdict.reasons,
        tuple(sorted(collisions)),
    )


def _run_task(job: tuple[int, int, float | None]) -> list[Trial]:
    task, trials, friction = job
    env = KineRealmanEnv(images=False)
    return [run_trial(task, seed, friction, env) for seed in range(trials)]


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Processes for the checks; they import nothing from the working directory."""
    with safe_path(), get_context("spawn").Pool(processes) as pool:
        yield pool


def run_all(trials: int, friction: float | None = None, processes: int = 2) -> list[Trial]:
    """Run every task from `trials` placements (seeds 0, 1, ...) in parallel processes."""
    jobs = [(task.number, trials, friction) for task in TASKS]
    if processes == 1:
        results = [_run_task(job) for job in jobs]
    else:
        with worker_pool(processes) as pool:
            results = pool.map(_run_task, jobs, chunksize=1)
    return [trial for part in results for trial in part]


def report(trials: list[Trial]) -> str:
    """A table per task and in total, followed by what failed."""
    lines = [f"{'task':>5} {'goal':>9} {'kinematics':>11} {'mean s':>7} {'max rad/s':>9}"]
    for number in sorted({t.task for t in trials}):
        rows = [t for t in trials if t.task == number]
        mean = sum(t.duration_s for t in rows) / len(rows)
        lines.append(
            f"{number:>5} {sum(t.goal for t in rows):>4}/{len(rows):<4} "
            f"{sum(t.kinematics for t in rows):>5}/{len(rows):<5} "
            f"{mean:>7.2f} {max(t.max_joint_speed_rad_s for t in rows):>9.2f}"
        )
    seeds = [t.seed for t in trials]
    goal, kinematics = (
        Rate.of([t.goal for t in trials], seeds),
        Rate.of([t.kinematics for t in trials], seeds),
    )
    lines.append(f"total: goal {goal.text()}, kinematics {kinematics.text()}, {goal.scenes} scenes")
    if WILSON in (goal.method, kinematics.method):
        lines.append(FOOTNOTE)
    for t in trials:
        failed = [r for r in t.reasons if r.startswith("failed")]
        if failed:
            lines.append(f"task {t.task} seed {t.seed}: {'; '.join(failed)}")
        if t.collisions:
            lines.append(f"task {t.task} seed {t.seed}: contact {', '.join(t.collisions)}")
    return "\n".join(lines)


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=20, help="placements per task")
    parser.add_argument(
        "--friction", type=float, default=None, help="friction of object and pads (default: scene)"
    )
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.trials < 1:
        parser.error(f"--trials = {options.trials} must be at least 1")
    print(report(run_all(options.trials, options.friction, options.processes)))


if __name__ == "__main__":
    main()
