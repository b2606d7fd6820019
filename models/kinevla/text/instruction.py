"""The form of an instruction, checked before anything reads it."""

from __future__ import annotations

import unicodedata

MAX_INSTRUCTION_CHARS = 200


class InstructionError(ValueError):
    """An instruction the policy must not act on; the text says what is wrong and where."""


def normalised(text: str) -> str:
    """Return a sentence as prompts hold it.

    In Unicode NFKC and lower case, with single spaces, and without full stop or exclamation mark at its end.
    """
    return " ".join(unicodedata.normalize("NFKC", text).lower().split()).rstrip(".! ")


def check_instruction(text: str) -> str:
    """Normalise an instruction (see `normalised`) or refuse what no policy could read.

    What its words mean is not judged here: the network that reads them says what it understood.

    Args:
        text: what the user typed.

    Returns:
        The instruction as the prompt will hold it.

    Raises:
        InstructionError: empty, longer than 200 characters, control characters, or no words.
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
    if not any(character.isalnum() for character in sentence):
        raise InstructionError("the instruction holds no words")
    return sentence
