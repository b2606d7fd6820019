"""Rule `finite`: no NaN, no infinity."""

from __future__ import annotations

import math

from ..arm_model import AXIS_NAMES
from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation


def finite(chunk: ReceivedChunk, _rules: ChunkRules, _now: Situation) -> Refusal | None:
    """Refuse values that are no numbers."""
    for number, point in enumerate(chunk.points):
        for name, value in zip(AXIS_NAMES, point.positions, strict=True):
            if not math.isfinite(value):
                text = f"{name} at point {number}: {value} is not a finite number"
                return Refusal("finite", name, value, "finite", text)
    return None
