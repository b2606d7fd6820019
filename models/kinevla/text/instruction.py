"""The form of an instruction, checked before anything reads it."""

from __future__ import annotations

import unicodedata

MAX_INSTRUCTION_CHARS = 200


class InstructionError(ValueError):
    """An instruction the policy must not act on; the text says what is wrong and where."""


# What nobody sees: zero width space, word joiner, byte order mark, soft hyphen.
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))
_QUOTES = {ord(mark): "'" for mark in "\u2018\u2019\u201a\u201b\u00b4`"} | {
    ord(mark): '"' for mark in "\u201c\u201d\u201e\u201f\u00ab\u00bb"
}
_ENDS = ".!\u3002 "


def seen(text: str) -> str:
    """Return a text without the characters that nobody sees and no one types on purpose."""
    return text.translate(_UNSEEN)


def tidy(text: str) -> str:
    """Return a text in Unicode NFC, with single spaces and without what nobody sees."""
    return " ".join(unicodedata.normalize("NFC", seen(text)).split())


def capital(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def normalised(text: str) -> str:
    """Return a sentence as every prompt, data set and table holds it: the same one, however it was typed.

    In Unicode NFKC and lower case, with single spaces and straight quotation marks, without what nobody sees,
    and without full stop or exclamation mark at its end or quotation marks around it.
    """
    # Quotation marks first: NFKC makes a space and a mark of an acute accent.
    plain = unicodedata.normalize("NFKC", seen(text).translate(_QUOTES)).lower()
    sentence = tidy(plain.translate(_QUOTES)).rstrip(_ENDS)
    while len(sentence) > 1 and sentence[0] in "'\"" and sentence[0] == sentence[-1]:
        sentence = sentence[1:-1].strip().rstrip(_ENDS)
    return sentence


def check_instruction(text: str) -> str:
    """Normalise an instruction (see `normalised`) or refuse what no policy could read.

    What its words mean is not judged here: the network that reads them says what it understood.

    Returns:
        The instruction as the prompt will hold it.

    Raises:
        InstructionError: empty, longer than 200 characters, control characters, or no words.
    """
    if not isinstance(text, str):
        raise InstructionError(f"an instruction must be text, got {type(text).__name__}")
    stripped = seen(text).strip()
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
