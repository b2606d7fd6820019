"""Rule `gripper_range`: the gripper's opening is 0 (closed) to 1 (open)."""

from __future__ import annotations

from ..arm_model import GRIPPER_NAME, JOINT_COUNT
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def gripper_range(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse openings outside 0..1."""
    for number, point in enumerate(chunk.points):
        value = point.positions[JOINT_COUNT]
        if not 0.0 <= value <= 1.0:
            bound = "[0, 1] (opening)"
            text = f"{GRIPPER_NAME} at point {number}: {value:.3f} is outside {bound}"
            return Refusal("gripper_range", GRIPPER_NAME, value, bound, text)
    return None
