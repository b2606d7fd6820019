"""Rule `time_order`: time_from_start is positive, strictly increasing and bounded."""

from __future__ import annotations

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def time_order(chunk: ReceivedChunk, rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse times that do not increase or last beyond `max_duration_s`."""
    before_s = 0.0
    for number, point in enumerate(chunk.points):
        if not point.time_s > before_s:
            bound = f"more than {before_s:.3f} s"
            text = f"time_from_start of point {number}: {point.time_s:.3f} s, must be {bound}"
            return Refusal("time_order", "", point.time_s, bound, text)
        before_s = point.time_s
    if before_s > rules.max_duration_s:
        bound = f"at most {rules.max_duration_s:.3f} s"
        text = f"time_from_start of the last point: {before_s:.3f} s, must be {bound}"
        return Refusal("time_order", "", before_s, bound, text)
    return None
