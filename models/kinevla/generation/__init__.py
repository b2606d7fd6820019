"""Sequence layout, constrained bi-level generation and reuse of the previous reasoning (Algorithm 1)."""

from __future__ import annotations

from kinevla.generation.answer import Generation, PassTiming
from kinevla.generation.decoder import CachedDecoder
from kinevla.generation.draft import Draft
from kinevla.generation.generator import Generator
from kinevla.generation.grammar import Cursor, Grammar
from kinevla.generation.sequence import SequenceBuilder, TokenSequence
from kinevla.generation.spelling import Spelling

__all__ = [
    "CachedDecoder",
    "Cursor",
    "Draft",
    "Generation",
    "Generator",
    "Grammar",
    "PassTiming",
    "SequenceBuilder",
    "Spelling",
    "TokenSequence",
]
