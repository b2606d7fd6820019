"""Check of the judge: `python -m kine_sim.check_judge [--trials 20] [--json FILE]`.

Every instruction is judged against every task's motion, done by the scripted expert in the same scenes, and
against four mistakes. A clean judge passes the diagonal only; the goal may also be reached off the diagonal.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kine_sim.check_expert import SETTLE_STEPS, worker_pool
from kine_sim.env import PERIOD_S, KineRealmanEnv
from kine_sim.expert import ScriptedExpert
from kine_sim.judge import Verdict
from kine_sim.tasks import TASKS, task_by_number
from kine_sim.wrong_expert import MISTAKES, WRONG_EXPERTS, Mistake

FIRST_SEED = 500


@dataclass(frozen=True)
class Cell:
    """One instruction against one motion ('1'..'7' or a mistake): successes among trials."""

    instruction: int
    motion: str
    trials: int
    goal: int
    kinematics: int


def judge_motion(env: KineRealmanEnv, instruction: int, motion: str, seed: int) -> Verdict:
    """Let an expert move and judge it by a task's sentence.

    A motion for the other object is planned in that object's own scene of the same seed and played back
    blindly: the object that is asked for stays where it is.

    Args:
        env: environment without images.
        instruction: task number of the sentence.
        motion: task number of the motion as text, or a mistake made while doing the instruction's task.
        seed: of the scene.
    """
    asked = task_by_number(instruction)
    build: Callable[..., ScriptedExpert] = ScriptedExpert
    done = asked
    if motion in WRONG_EXPERTS:
        build = WRONG_EXPERTS[motion]
    else:
        done = task_by_number(int(motion))
    blind = done.object != asked.object
    env.reset(seed=seed, options={"task": done if blind else asked})
    expert = build(env.world, done)
    expert.plan()
    info: dict[str, Verdict] = {}
    if blind:
        env.reset(seed=seed, options={"task": asked})
    steps = int(np.ceil(expert.duration_s / PERIOD_S)) + SETTLE_STEPS
    for k in range(1, steps + 1):
        info = env.step(expert.target(k * PERIOD_S))[4]
    return info["verdict"]


def _run_row(job: tuple[int, int]) -> list[Cell]:
    instruction, trials = job
    env = KineRealmanEnv(images=False)
    cells = []
    for motion in (*(str(task.number) for task in TASKS), *MISTAKES):
        verdicts = [judge_motion(env, instruction, motion, FIRST_SEED + i) for i in range(trials)]
        cells.append(
            Cell(
                instruction,
                motion,
                trials,
                sum(v.goal_success for v in verdicts),
                sum(v.kinematics_success for v in verdicts),
            )
        )
    return cells


def confusion(trials: int, processes: int = 2) -> list[Cell]:
    """Judge all instructions against all motions and mistakes."""
    jobs = [(task.number, trials) for task in TASKS]
    if processes == 1:
        return [cell for job in jobs for cell in _run_row(job)]
    with worker_pool(processes) as pool:
        return [cell for row in pool.imap(_run_row, jobs) for cell in row]


def expected(instruction: int, motion: str | Mistake) -> bool:
    """Whether a motion does what the sentence asks for."""
    return motion == str(instruction)


def clean(cells: list[Cell], diagonal: float = 0.95) -> bool:
    """Say whether the diagonal succeeds at least so often and nothing else ever does."""
    return all(
        cell.kinematics >= diagonal * cell.trials
        if expected(cell.instruction, cell.motion)
        else cell.kinematics == 0
        for cell in cells
    )


def table(cells: list[Cell]) -> str:
    """Two tables, rows are instructions, columns motions: kinematics successes, then goal successes."""
    motions = list(dict.fromkeys(cell.motion for cell in cells))
    lines = []
    for name in ("kinematics", "goal"):
        lines.append(f"{name} successes of {cells[0].trials}; row: instruction, column: motion")
        lines.append("     " + "".join(f"{motion:>10}" for motion in motions))
        for number in sorted({cell.instruction for cell in cells}):
            row = {cell.motion: getattr(cell, name) for cell in cells if cell.instruction == number}
            lines.append(f"{number:>4} " + "".join(f"{row[motion]:>10}" for motion in motions))
    return "\n".join(lines)


def main() -> int:
    """Command line entry; exit status 1 when the table is not clean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=20, help="scenes per cell")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None, help="write the counts here")
    options = parser.parse_args()
    if options.trials < 1:
        parser.error(f"--trials = {options.trials} must be at least 1")
    cells = confusion(options.trials, options.processes)
    print(table(cells))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")
    good = clean(cells)
    print("clean: only the asked motion passes" if good else "NOT clean")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
