"""The language of table-top motion: one structured instruction, and every way it is said or written."""

from __future__ import annotations

from kinevla.text.language.instruction import (
    Displacement,
    Instruction,
    LanguageError,
    Orientation,
    Path,
    Target,
)
from kinevla.text.language.parse import parse_sentence, parse_texts
from kinevla.text.language.say import FORMS, say, write_goal, write_kinematics

__all__ = [
    "FORMS",
    "Displacement",
    "Instruction",
    "LanguageError",
    "Orientation",
    "Path",
    "Target",
    "parse_sentence",
    "parse_texts",
    "say",
    "write_goal",
    "write_kinematics",
]
