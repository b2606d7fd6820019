"""The safety gate: every chunk of joint targets passes it or is refused whole, with a reason."""

from __future__ import annotations

from .chunk import Chunk, ChunkPoint, ChunkRules, ReceivedChunk, Refusal, Rule, Situation
from .rules import RULES, check_chunk

__all__ = [
    "RULES",
    "Chunk",
    "ChunkPoint",
    "ChunkRules",
    "ReceivedChunk",
    "Refusal",
    "Rule",
    "Situation",
    "check_chunk",
]
