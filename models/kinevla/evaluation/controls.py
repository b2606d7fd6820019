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


def writes_reasoning(checkpoint: Path) -> bool:
    """Say whether a policy does; where it cannot be read, loading the checkpoint will say what is wrong."""
    from kinevla.checkpoint import CONFIG_NAME  # loads torch, which the command line need not wait for

    path = Path(checkpoint) / CONFIG_NAME
    return not path.is_file() or bool(read_json(path).get("grammar", {}).get("reasoning", True))
