"""Which sentences a checkpoint was trained on."""

from __future__ import annotations

from pathlib import Path

from kinevla.bounded import read_json
from kinevla.checkpoint import CONFIG_NAME
from kinevla.manifest import read_manifest
from kinevla.text.language.wording import of_language
from kinevla.text.wordings import WORDINGS, numbered_wording


def training_sentences(checkpoint: Path) -> dict[str, str]:
    """Return all wordings of a checkpoint's training with the instruction each stands for; {} if untold.

    Raises:
        ManifestError: no checkpoint.
    """
    settings = (read_manifest(checkpoint).get("config") or {}).get("training") or {}
    texts = read_json(Path(checkpoint) / CONFIG_NAME).get("texts", ())
    instructions = dict.fromkeys(text[0] for text in texts)
    if of_language([tuple(text) for text in texts]):
        # Each of thousands of sentences has thousands of wordings: those that were recorded stand for all.
        return {instruction: instruction for instruction in instructions}
    numbers = range(1, WORDINGS) if settings.get("variant_share", 0.0) > 0.0 else range(0)
    found = {instruction: instruction for instruction in instructions}
    for instruction in instructions:
        for number in numbers:
            found.setdefault(numbered_wording(instruction, number), instruction)
    return found
