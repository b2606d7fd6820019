"""Rule `self_clearance`: parts of the arm that are not neighbours stay apart."""

from __future__ import annotations

from ..arm_geometry import self_clearance as measure
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation
from .path import shape_along


def self_clearance(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse ways on which two parts of the arm come closer than `self_clearance_m`."""
    shape, numbers = shape_along(chunk, now)
    found = measure(shape, rules.self_clearance_m)
    if found is None or found.distance_m >= rules.self_clearance_m:
        return None
    bound = f"at least {rules.self_clearance_m:.3f} m"
    text = (
        f"{found.what} on the way to point {numbers[found.pose]}: {found.distance_m:.3f} m apart, "
        f"must be {bound}"
    )
    return Refusal("self_clearance", found.what, found.distance_m, bound, text)
