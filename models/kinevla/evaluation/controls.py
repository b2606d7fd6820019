"""The controls beside a policy: what each of them is, and where it can be run.

A result says something about language and sight only beside what is reached without them. Every control
leaves one thing out or puts another in its place; the rest of the trial is the policy's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from kinevla.bounded import read_json

Control = Literal["none", "lookup", "goal-only", "blind", "shuffled", "expert", "replay"]
"""Who moves the arm; 'none' is the policy itself."""
ControlChoice = Literal["none", "lookup", "goal-only", "blind", "shuffled", "expert", "replay", "all"]
CONTROLS: dict[Control, str] = {
    "lookup": "the nearest training sentence's motion, without the decoder",
    "goal-only": "told the goal alone: the goal text as instruction, no kinematics text",
    "blind": "both pictures plain grey",
    "shuffled": "the kinematics text of another instruction forced, any of them",
    "expert": "the scripted expert, which sees the simulator's truth",
    "replay": "the recorded targets of an episode of the same scene",
}
"""What each control is, as reports print it."""
OF_THE_POLICY: tuple[Control, ...] = ("none", "lookup", "goal-only", "blind", "shuffled")
"""Those that run the checkpoint's network."""
assert {"none", *CONTROLS} == set(get_args(Control))


def why_not(
    control: Control,
    *,
    libero: bool,
    through_ros: bool,
    checkpoint: Path | None,
    episodes: Path | None,
    bench_split: str | None = None,
) -> str | None:
    """Say why a control cannot be run with these inputs, None where it can.

    Args:
        libero: trials are LIBERO's.
        bench_split: split of KineBench, None where trials are not its.
    """
    if control in OF_THE_POLICY and checkpoint is None:
        return "needs a checkpoint directory"
    if control == "replay" and episodes is None:
        return "needs a data set of episodes"
    if through_ros and control in OF_THE_POLICY and control != "none":
        return "is for the plain environment: the nodes of --through-ros run as on a robot"
    if libero and control == "expert":
        return "is not for libero: the scripted expert moves the RM75, not LIBERO's arm"
    if libero and control == "replay":
        return "is not for libero: imported demonstrations do not hold the simulator's start states"
    if bench_split is not None and control == "replay":
        return "is not for kinebench: a demonstration's scene is no trial's"
    if bench_split == "nonsense" and control not in ("none", "lookup"):
        return "is not for the split nonsense: it does not judge what it is told"
    if control == "shuffled" and checkpoint is not None and not _writes_reasoning(checkpoint):
        return "needs a policy that writes reasoning"
    return None


def _writes_reasoning(checkpoint: Path) -> bool:
    """Read it from the configuration; where there is none, loading the checkpoint will say what is wrong."""
    from kinevla.checkpoint import CONFIG_NAME  # loads torch, which the command line need not wait for

    path = Path(checkpoint) / CONFIG_NAME
    return not path.is_file() or bool(read_json(path).get("grammar", {}).get("reasoning", True))
