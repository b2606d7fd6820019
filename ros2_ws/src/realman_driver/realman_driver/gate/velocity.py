"""Rule `velocity`: no joint is faster than the bound, on the way to the first point neither."""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation

# The last bits of a difference of floats must not refuse a chunk at exactly the bound.
_ROUNDING = 1.0 + 1e-6


def velocity(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse speeds above `max_velocity_rad_s`."""
    before, before_s = now.setpoint, 0.0
    for number, point in enumerate(chunk.points):
        duration_s = point.time_s - before_s
        for name, value, last in zip(JOINT_NAMES, point.positions, before, strict=False):
            speed = abs(value - last) / duration_s
            if speed > rules.max_velocity_rad_s * _ROUNDING:
                bound = f"at most {rules.max_velocity_rad_s:.3f} rad/s"
                text = f"{name} on the way to point {number}: {speed:.3f} rad/s, allowed is {bound}"
                return Refusal("velocity", name, speed, bound, text)
        before, before_s = point.positions, point.time_s
    return None
