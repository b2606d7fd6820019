"""Two evaluations, trial by trial: both saw the same scenes, so that chance in the scenes cancels out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinevla.evaluation.runner import EvaluationError, verdicts_of
from kinevla.evaluation.statistics import FOOTNOTE, WILSON, Difference


@dataclass(frozen=True)
class Comparison:
    """This evaluation less the other, on the trials both have."""

    goal: Difference  # difference of the success rates
    kinematics: Difference
    only_here: tuple[int, int]  # (goal, kinematics) successes of this one that failed in the other
    only_there: tuple[int, int]  # likewise the other way round

    def text(self) -> str:
        """Write as two lines, and a note where an interval needs one."""
        lines = []
        for index, (name, found) in enumerate((("goal", self.goal), ("kinematics", self.kinematics))):
            once = f"{self.only_here[index]} only here, {self.only_there[index]} only there"
            lines.append(
                f"{name} against the other on {found.trials} shared trials in {found.scenes} scenes: "
                f"{found.text()}, {once}"
            )
        if WILSON in (self.goal.method, self.kinematics.method):
            lines.append(FOOTNOTE)
        return "\n".join(lines)


def compare(other: Path, this: Path) -> Comparison:
    """Compare two evaluations by task, seed and number of the wording; intervals are clustered by seed.

    Raises:
        ManifestError: no evaluation.
        EvaluationError: they share no trial.
    """
    there, here = verdicts_of(other), verdicts_of(this)
    shared = sorted(set(there) & set(here))
    if not shared:
        raise EvaluationError(f"{other} and {this} share no trial: other tasks, or another --first-seed")
    columns = [([there[key][i] for key in shared], [here[key][i] for key in shared]) for i in (0, 1)]
    scenes = [seed for _, seed, _ in shared]
    goal, kinematics = (Difference.of(*column, scenes) for column in columns)
    return Comparison(
        goal=goal,
        kinematics=kinematics,
        only_here=_only(columns, here=True),
        only_there=_only(columns, here=False),
    )


def _only(columns: list[tuple[list[bool], list[bool]]], *, here: bool) -> tuple[int, int]:
    goal, kinematics = (
        sum(1 for before, after in zip(*column, strict=True) if before != after and after is here)
        for column in columns
    )
    return goal, kinematics
