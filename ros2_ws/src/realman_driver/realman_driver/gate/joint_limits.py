"""Rule `joint_limits`: each joint stays inside its limits by a margin."""

from __future__ import annotations

from ..arm_model import JOINT_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def joint_limits(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse points outside the limits less `joint_limit_margin_rad`."""
    for number, point in enumerate(chunk.points):
        for name, value, (low, high) in zip(JOINT_NAMES, point.positions, now.limits, strict=False):
            lower, upper = low + rules.joint_limit_margin_rad, high - rules.joint_limit_margin_rad
            if not lower <= value <= upper:
                bound = f"[{lower:.3f}, {upper:.3f}] rad"
                text = f"{name} at point {number}: {value:.3f} rad is outside {bound}"
                return Refusal("joint_limits", name, value, bound, text)
    return None
