"""Applies a task's checks to a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kinevla.evaluation.libero import goals, kinematics
from kinevla.evaluation.libero.frames import LiberoTrace
from kinevla.evaluation.libero.goals import Check
from kinevla.evaluation.libero.tasks import LiberoTask, Rule
from kinevla.evaluation.libero.viewer import View

GOAL_CHECKS: dict[str, Callable[..., Check]] = {
    check.__name__: check
    for check in (
        goals.on_object,
        goals.on_site,
        goals.in_site,
        goals.drawer_open,
        goals.knob_on,
        goals.beside,
    )
}
KINEMATICS_CHECKS: dict[str, Callable[..., Check]] = {
    check.__name__: check
    for check in (
        kinematics.grasp_edge,
        kinematics.grasp_part,
        kinematics.placed_section,
        kinematics.placed_centre,
        kinematics.label_direction,
        kinematics.opening,
        kinematics.handle_first,
        kinematics.vertical_hand,
        kinematics.legs,
        kinematics.diagonal,
        kinematics.pushed_from_centre,
        kinematics.on_table,
        kinematics.released,
        kinematics.drawer_before_grasp,
        kinematics.hand_before_knob,
    )
}


class LiberoJudgeError(ValueError):
    """A trace lacks what a check looks at; the text names it."""


@dataclass(frozen=True)
class LiberoVerdict:
    """Outcome: goal, kinematics (needs the goal) and one sentence per check, beginning 'ok' or 'failed'."""

    goal_success: bool
    kinematics_success: bool
    reasons: tuple[str, ...]


def judge(task: LiberoTask, trace: LiberoTrace, view: View = "image") -> LiberoVerdict:
    """Judge a trace.

    Args:
        view: whether left and right are those of the rotated image (the paper's) or of the camera.

    Raises:
        LiberoJudgeError: an object, region or joint of the task is missing in the trace.
    """

    def apply(rule: Rule, checks: dict[str, Callable[..., Check]]) -> Check:
        try:
            return checks[rule.check](trace, view, **rule.arguments)
        except KeyError as error:
            raise LiberoJudgeError(
                f"{rule.check} of {task.dataset} task {task.number} needs {error}, which the trace lacks"
            ) from error

    goal = apply(task.goal, GOAL_CHECKS)
    fine = [apply(rule, KINEMATICS_CHECKS) for rule in task.kinematics]
    reasons = tuple(("ok: " if ok else "failed: ") + text for ok, text in (goal, *fine))
    return LiberoVerdict(goal[0], goal[0] and all(ok for ok, _ in fine), reasons)
