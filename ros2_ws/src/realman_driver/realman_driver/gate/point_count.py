"""Rule `point_count`: at least one point, at most `max_points`."""

from __future__ import annotations

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def point_count(chunk: ReceivedChunk, rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse an empty or an over-long chunk."""
    count = len(chunk.points)
    if 1 <= count <= rules.max_points:
        return None
    bound = f"1..{rules.max_points} points"
    return Refusal("point_count", "", count, bound, f"the chunk has {count} points, allowed are {bound}")
