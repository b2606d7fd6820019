"""Rule `positions_only`: velocities, accelerations and efforts would be ignored, so they are not accepted."""

from __future__ import annotations

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def positions_only(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse points with other fields than positions."""
    for number, point in enumerate(chunk.points):
        if point.has_other_fields:
            text = f"point {number} holds velocities, accelerations or effort; only positions are executed"
            return Refusal("positions_only", "", "other fields", "positions only", text)
    return None
