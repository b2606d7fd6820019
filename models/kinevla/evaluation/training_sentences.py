"""Which sentences a checkpoint was trained on, and which it would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinevla.bounded import read_json
from kinevla.checkpoint import CONFIG_NAME, TRAINING_NAME
from kinevla.manifest import read_manifest
from kinevla.text.instruction import InstructionError, check_instruction
from kinevla.text.variants import instruction_variants


def training_sentences(checkpoint: Path) -> tuple[str, ...]:
    """Return all wordings of a checkpoint's training, empty where it tells none.

    Checkpoints from before they told wordings name their tasks; the variants belong to these where the
    training drew any.

    Raises:
        ManifestError: no checkpoint.
    """
    manifest = read_manifest(checkpoint)
    training: dict[str, Any] = read_json(Path(checkpoint) / TRAINING_NAME)
    if "sentences" in training:
        return tuple(training["sentences"])
    tasks = tuple(training.get("tasks", ()))
    settings = (manifest.get("config") or {}).get("training") or {}
    if not settings.get("variant_share", 0.0) > 0.0:
        return tasks
    return tasks + tuple(text for task in tasks for text in instruction_variants(task))


def refusal(checkpoint: Path, sentence: str) -> str | None:
    """Say why a policy would refuse a sentence, None where it takes it; its weights are not read."""
    try:
        check_instruction(sentence, read_json(Path(checkpoint) / CONFIG_NAME)["known_words"])
    except InstructionError as error:
        return str(error)
    return None
