"""Rule `acceleration`: the mean speed between points does not change faster than the bound.

It finds chunks that shake. What the arm itself does between the points is smoother: the executor bounds that.
"""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation

_ROUNDING = 1.0 + 1e-6


def acceleration(chunk: ReceivedChunk, rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse changes of speed above `max_acceleration_rad_s2` at the inner points."""
    for number in range(1, len(chunk.points) - 1):
        before, here, after = chunk.points[number - 1 : number + 2]
        past_s, next_s = here.time_s - before.time_s, after.time_s - here.time_s
        for name, a, b, c in zip(
            JOINT_NAMES, before.positions, here.positions, after.positions, strict=False
        ):
            value = abs((c - b) / next_s - (b - a) / past_s) / (0.5 * (past_s + next_s))
            if value > rules.max_acceleration_rad_s2 * _ROUNDING:
                bound = f"at most {rules.max_acceleration_rad_s2:.3f} rad/s2"
                text = f"{name} at point {number}: {value:.3f} rad/s2, allowed is {bound}"
                return Refusal("acceleration", name, value, bound, text)
    return None
