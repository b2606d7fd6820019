"""Rule `start_jump`: the arm is measured to be near the beginning of the chunk.

The target may be near and the arm far from both: held up by an obstacle, pushed, or left behind. A chunk
whose observation is old may be under way already, so the points that could have been passed since then count
as well.
"""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def start_jump(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse when no point up to the next one is within `max_start_jump_rad` of the measured position."""
    if now.measured_rad is None:
        return None
    age_s = now.now_s - chunk.stamp_s
    nearest: tuple[float, int, int] | None = None
    for number, point in enumerate(chunk.points):
        jumps = [abs(value - at) for value, at in zip(point.positions, now.measured_rad, strict=False)]
        jump = max(jumps)
        if jump <= rules.max_start_jump_rad:
            return None
        if nearest is None or jump < nearest[0]:
            nearest = (jump, number, jumps.index(jump))
        if point.time_s > age_s:
            break
    assert nearest is not None  # there is a point, an earlier rule says so
    jump, number, axis = nearest
    name, value = JOINT_NAMES[axis], chunk.points[number].positions[axis]
    bound = f"at most {rules.max_start_jump_rad:.3f} rad"
    text = (
        f"{name} at point {number}: {value:.3f} rad is {jump:.3f} rad away from the measured position "
        f"{now.measured_rad[axis]:.3f} rad, allowed is {bound}"
    )
    return Refusal("start_jump", name, jump, bound, text)
