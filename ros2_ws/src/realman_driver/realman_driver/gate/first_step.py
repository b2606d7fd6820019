"""Rule `first_step`: the first point is near the target the arm follows now."""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def first_step(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse a first point further than `max_first_step_rad` from the setpoint."""
    for name, value, present in zip(JOINT_NAMES, chunk.points[0].positions, now.setpoint, strict=False):
        step = abs(value - present)
        if step > rules.max_first_step_rad:
            bound = f"at most {rules.max_first_step_rad:.3f} rad"
            text = (
                f"{name} at point 0: {value:.3f} rad is {step:.3f} rad away from the present target "
                f"{present:.3f} rad, allowed is {bound}"
            )
            return Refusal("first_step", name, step, bound, text)
    return None
