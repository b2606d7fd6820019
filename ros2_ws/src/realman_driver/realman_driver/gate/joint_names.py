"""Rule `joint_names`: the names must be those of the arm, all of them, in its order."""

from __future__ import annotations

from kine_nodes.texts import MAX_NAME, listed, printable

from ..arm_model import AXIS_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def joint_names(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse unknown, missing, doubled or swapped names."""
    if chunk.joint_names == AXIS_NAMES:
        return None
    bound = ", ".join(AXIS_NAMES)
    unknown = [printable(name, MAX_NAME) for name in chunk.joint_names if name not in AXIS_NAMES][:1]
    missing = [name for name in AXIS_NAMES if name not in chunk.joint_names]
    if unknown:
        what = f"'{unknown[0]}' is not a joint of this arm"
    elif missing:
        what = f"{missing[0]} is missing"
    elif len(chunk.joint_names) != len(AXIS_NAMES):
        what = f"{len(chunk.joint_names)} names are given, a name occurs twice"
    else:
        what = "the order is wrong"
    joint = (unknown or missing or [""])[0]
    given = listed(chunk.joint_names)
    return Refusal("joint_names", joint, given, bound, f"joint_names [{given}]: {what}; expected [{bound}]")
