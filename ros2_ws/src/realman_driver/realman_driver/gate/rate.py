"""Rule `rate`: chunks do not come faster than anybody plans; a flood is a program gone wrong."""

from __future__ import annotations

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def rate(_chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse a chunk beyond `max_rate_hz` within the last second."""
    if now.chunks_last_second < rules.max_rate_hz:
        return None
    value, bound = now.chunks_last_second + 1, f"at most {rules.max_rate_hz:.0f} chunks per second"
    return Refusal("rate", "", value, bound, f"{value} chunks came within a second, allowed are {bound}")
