"""Rule `positions_length`: each point has one value per axis."""

from __future__ import annotations

from ..arm_model import AXIS_NAMES, JOINT_COUNT
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def positions_length(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse points of another length."""
    expected = len(AXIS_NAMES)
    for number, point in enumerate(chunk.points):
        count = len(point.positions)
        if count != expected:
            bound = f"{expected} positions ({JOINT_COUNT} joints and the gripper)"
            text = f"point {number} has {count} positions, expected {bound}"
            return Refusal("positions_length", "", count, bound, text)
    return None
