"""Rule `stamp`: the observation behind the chunk is neither of the future nor too old."""

from __future__ import annotations

import math

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def stamp(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse a missing stamp, one of the future and one older than `max_age_s`."""
    if chunk.stamp_s == 0.0 or not math.isfinite(chunk.stamp_s):
        bound = f"at most {rules.max_age_s:.3f} s old"
        text = f"header.stamp is not set; it must be the time of the observation, {bound}"
        return Refusal("stamp", "", chunk.stamp_s, bound, text)
    age_s = now.now_s - chunk.stamp_s
    if age_s < -rules.max_future_s:
        bound = f"at most {rules.max_future_s:.3f} s ahead"
        return Refusal("stamp", "", -age_s, bound, f"header.stamp is {-age_s:.3f} s in the future, {bound}")
    if age_s > rules.max_age_s:
        bound = f"at most {rules.max_age_s:.3f} s old"
        return Refusal("stamp", "", age_s, bound, f"header.stamp is {age_s:.3f} s old, must be {bound}")
    return None
