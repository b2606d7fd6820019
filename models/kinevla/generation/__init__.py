"""Sequence layout, constrained bi-level generation and reuse of the previous reasoning (Algorithm 1)."""

from __future__ import annotations

from kinevla.generation.generator import Draft, Generation, Generator, GeneratorConfig
from kinevla.generation.grammar import Cursor, Grammar
from kinevla.generation.sequence import SequenceBuilder, TokenSequence

__all__ = [
    "Cursor",
    "Draft",
    "Generation",
    "Generator",
    "GeneratorConfig",
    "Grammar",
    "SequenceBuilder",
    "TokenSequence",
]
