"""Rule `start_jump`: the point to be reached next is near where the arm is measured to be.

The target may be near and the arm far from both: held up by an obstacle, pushed, or left behind.
"""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def start_jump(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse a next point further than `max_start_jump_rad` from the measured position."""
    if now.measured_rad is None:
        return None
    age_s, last = now.now_s - chunk.stamp_s, len(chunk.points) - 1
    number = next((k for k, point in enumerate(chunk.points) if point.time_s > age_s), last)
    points = chunk.points[number].positions
    for name, value, measured in zip(JOINT_NAMES, points, now.measured_rad, strict=False):
        jump = abs(value - measured)
        if jump > rules.max_start_jump_rad:
            bound = f"at most {rules.max_start_jump_rad:.3f} rad"
            text = (
                f"{name} at point {number}: {value:.3f} rad is {jump:.3f} rad away from the measured position "
                f"{measured:.3f} rad, allowed is {bound}"
            )
            return Refusal("start_jump", name, jump, bound, text)
    return None
