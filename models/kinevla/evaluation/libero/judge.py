"""Applies a task's checks to a trace."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from kinevla.evaluation.libero import goals, kinematics
from kinevla.evaluation.libero.frames import LiberoTrace
from kinevla.evaluation.libero.goals import Check
from kinevla.evaluation.libero.tasks import LiberoTask, Rule
from kinevla.evaluation.libero.viewer import View


class LiberoJudgeError(ValueError):
    """A trace lacks what a check looks at; the text names it."""


@dataclass(frozen=True)
class LiberoVerdict:
    """Outcome: goal, kinematics (needs the goal) and one sentence per check, beginning 'ok' or 'failed'."""

    goal_success: bool
    kinematics_success: bool
    reasons: tuple[str, ...]


def judge(task: LiberoTask, trace: LiberoTrace, view: View = "image") -> LiberoVerdict:
    """Judge a trace; left and right are those of the rotated image (the paper's) or of the camera.

    Raises:
        LiberoJudgeError: an object, region or joint of the task is missing in the trace.
    """

    def apply(rule: Rule, checks: ModuleType) -> Check:
        try:
            found: Check = getattr(checks, rule.check)(trace, view, **rule.arguments)
            return found
        except KeyError as error:
            raise LiberoJudgeError(
                f"{rule.check} of {task.dataset} task {task.number} needs {error}, which the trace lacks"
            ) from error

    goal = apply(task.goal, goals)
    fine = [apply(rule, kinematics) for rule in task.kinematics]
    reasons = tuple(("ok: " if ok else "failed: ") + text for ok, text in (goal, *fine))
    return LiberoVerdict(goal[0], goal[0] and all(ok for ok, _ in fine), reasons)
