"""The rules a chunk of joint targets must keep before any of it is sent, in order.

The first broken rule decides. A chunk is refused whole and never changed: a target moved to a limit would be
a motion nobody asked for. Cheap rules come first, and each may rely on those before it. They look at the
message; the curve that would be played of it is looked at by the executor (`space.py`).
"""

from __future__ import annotations

from .acceleration import acceleration
from .chunk import Chunk, ChunkRules, ReceivedChunk, Refusal, Rule, Situation
from .finite import finite
from .first_step import first_step
from .gripper_range import gripper_range
from .joint_limits import joint_limits
from .joint_names import joint_names
from .point_count import point_count
from .positions_length import positions_length
from .positions_only import positions_only
from .rate import rate
from .stamp import stamp
from .start_jump import start_jump
from .time_order import time_order
from .velocity import velocity

RULES: tuple[Rule, ...] = (
    rate,
    joint_names,
    point_count,
    positions_only,
    positions_length,
    finite,
    joint_limits,
    gripper_range,
    time_order,
    stamp,
    first_step,
    start_jump,
    velocity,
    acceleration,
)


def check_chunk(chunk: ReceivedChunk, rules: ChunkRules, situation: Situation) -> Chunk | Refusal:
    """Apply all rules in order.

    Returns:
        The chunk ready to be executed, or the first refusal.
    """
    for rule in RULES:
        refusal = rule(chunk, rules, situation)
        if refusal is not None:
            return refusal
    return Chunk(
        times_s=tuple(point.time_s for point in chunk.points),
        points=tuple(point.positions for point in chunk.points),
    )
