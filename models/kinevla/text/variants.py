"""Other wordings of an instruction that mean the same, so that a policy does not hang on one word order."""

from __future__ import annotations

import re

_RULES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"^pick up (the \w+) and move it (to .+)$"),
        (r"move \1 \2", r"pick up \1, move it \2", r"move \1 \2, pick it up first"),
    ),
    (
        re.compile(r"^hold (the \w+) by (the \w+ part) and place it (on .+)$"),
        (r"place \1 \3, hold it by \2", r"hold \1 by \2, place it \3", r"hold \2 of \1 and place it \3"),
    ),
)


def instruction_variants(instruction: str) -> tuple[str, ...]:
    """Return other wordings of an instruction; none where no rule fits."""
    for pattern, replacements in _RULES:
        if pattern.match(instruction):
            return tuple(pattern.sub(replacement, instruction) for replacement in replacements)
    return ()
