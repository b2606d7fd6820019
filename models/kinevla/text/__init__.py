"""Text of the policy: lossless nano tokenizer, id layout, and the check every instruction passes first."""

from __future__ import annotations

from kinevla.text.corpus import TaskTexts, load_task_texts
from kinevla.text.instruction import MAX_INSTRUCTION_CHARS, InstructionError, check_instruction
from kinevla.text.tokenizer import build_word_tokenizer, split_words
from kinevla.text.vocabulary import DELIMITERS, CodeLevel, Vocabulary

__all__ = [
    "DELIMITERS",
    "MAX_INSTRUCTION_CHARS",
    "CodeLevel",
    "InstructionError",
    "TaskTexts",
    "Vocabulary",
    "build_word_tokenizer",
    "check_instruction",
    "load_task_texts",
    "split_words",
]
