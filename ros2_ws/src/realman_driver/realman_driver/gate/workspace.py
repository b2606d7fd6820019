"""Rule `workspace`: the point between the finger tips stays inside a box."""

from __future__ import annotations

import numpy as np

from .chunk import ChunkRules, ReceivedChunk, Refusal, Situation
from .path import shape_along


def workspace(chunk: ReceivedChunk, rules: ChunkRules, now: Situation) -> Refusal | None:
    """Refuse ways on which the tool leaves the box `workspace_lower_m` to `workspace_upper_m`."""
    shape, numbers = shape_along(chunk, now)
    lower, upper = np.array(rules.workspace_lower_m), np.array(rules.workspace_upper_m)
    beyond_m = np.maximum(lower - shape.tool_m, shape.tool_m - upper)
    if beyond_m.max() <= 0.0:
        return None
    pose, axis = divmod(int(beyond_m.argmax()), 3)
    value, name = float(shape.tool_m[pose, axis]), "xyz"[axis]
    bound = f"[{lower[axis]:.3f}, {upper[axis]:.3f}] m"
    text = f"the tool on the way to point {numbers[pose]}: {name} = {value:.3f} m is outside {bound}"
    return Refusal("workspace", "tool", value, bound, text)
