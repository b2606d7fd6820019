"""The safety gate under its former name."""

from __future__ import annotations

from .gate import (
    RULES,
    Chunk,
    ChunkPoint,
    ChunkRules,
    ReceivedChunk,
    Refusal,
    Rule,
    Situation,
    check_chunk,
)

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
