"""The gate in front of the policy: which sentences it takes, and a reason for each one it refuses."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection

from kinevla.text.tokenizer import split_words

MAX_INSTRUCTION_CHARS = 200


class InstructionError(ValueError):
    """An instruction the policy must not act on; the text says what is wrong and where."""


def normalised(text: str) -> str:
    """Return a sentence as prompts hold it.

    In Unicode NFKC and lower case, with single spaces, and without full stop or exclamation mark at its end.
    """
    return " ".join(unicodedata.normalize("NFKC", text).lower().split()).rstrip(".! ")


def check_instruction(text: str, known_words: Collection[str]) -> str:
    """Normalise an instruction (see `normalised`) or refuse it.

    A word that never occurred in training is refused rather than guessed at: the policy would move the arm
    all the same.

    Args:
        text: what the user typed.
        known_words: lower-case words and punctuation marks the policy was trained with.

    Returns:
        The instruction as the prompt will hold it.

    Raises:
        InstructionError: empty, longer than 200 characters, control characters, or unknown words.
    """
    if not isinstance(text, str):
        raise InstructionError(f"an instruction must be text, got {type(text).__name__}")
    stripped = text.strip()
    if not stripped:
        raise InstructionError("the instruction is empty")
    if len(stripped) > MAX_INSTRUCTION_CHARS:
        raise InstructionError(
            f"the instruction has {len(stripped)} characters, at most {MAX_INSTRUCTION_CHARS} are accepted"
        )
    for position, character in enumerate(stripped):
        # Category C: control, format, surrogate, private use, unassigned. A line break could end the prompt.
        if unicodedata.category(character).startswith("C"):
            raise InstructionError(
                f"the instruction holds the control character U+{ord(character):04X} at position {position}"
            )
    sentence = normalised(stripped)
    if not sentence:
        raise InstructionError("the instruction holds no words")
    unknown = _unknown(sentence, known_words)
    if unknown:
        raise InstructionError("; ".join(_explain(word, known_words) for word in unknown))
    return sentence


def _unknown(text: str, known_words: Collection[str]) -> list[str]:
    words = (piece.strip() for piece in split_words(text))
    return list(dict.fromkeys(word for word in words if word and word not in known_words))


def _explain(word: str, known_words: Collection[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known_words), n=3, cutoff=0.6)
    hint = f", nearest known: {', '.join(near)}" if near else ""
    return f"the word {word!r} was not in the training instructions{hint}"
