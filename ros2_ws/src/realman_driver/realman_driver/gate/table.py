"""Rule `table_clearance`: every part of the arm stays above the table."""

from __future__ import annotations

from ..arm_geometry import table_clearance as measure
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation
from .path import shape_along


def table_clearance(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse ways on which a link or the gripper comes closer to the table than `table_clearance_m`."""
    shape, numbers = shape_along(chunk, now)
    found = measure(shape, rules.table_z_m)
    if found.distance_m >= rules.table_clearance_m:
        return None
    bound = f"at least {rules.table_clearance_m:.3f} m"
    text = (
        f"{found.what} on the way to point {numbers[found.pose]}: {found.distance_m:.3f} m above the table "
        f"(z = {rules.table_z_m:.3f} m), must be {bound}"
    )
    return Refusal("table_clearance", found.what, found.distance_m, bound, text)
