"""The safety gate: every chunk of joint targets passes it or is refused whole, with a reason."""

from __future__ import annotations

from .chunk import Chunk, ChunkPoint, ChunkRules, ReceivedChunk, Refusal, Rule, Situation
from .rules import RULES, check_chunk
from .space import Breach, Space, SpaceBounds

__all__ = [
    "RULES",
    "Breach",
    "Chunk",
    "ChunkPoint",
    "ChunkRules",
    "ReceivedChunk",
    "Refusal",
    "Rule",
    "Situation",
    "Space",
    "SpaceBounds",
    "check_chunk",
]
