"""Lists of sentences: those to evaluate, and those a checkpoint was trained on."""

from __future__ import annotations

from pathlib import Path

from kinevla.bounded import MIB, printable, read_bounded, read_json
from kinevla.checkpoint import CONFIG_NAME
from kinevla.manifest import read_manifest
from kinevla.text.language.wording import of_language
from kinevla.text.wordings import WORDINGS, numbered_wording


class WordingError(ValueError):
    """A list of sentences cannot be used; the text names file and line."""


def read_wordings(path: Path) -> dict[int, tuple[str, ...]]:
    """Return the sentences of each task in the order of the file.

    Empty lines and lines that begin with '#' say nothing.

    Raises:
        WordingError: unreadable, no sentence, or a line of another form (named).
    """
    try:
        text = read_bounded(path, MIB).decode()
    except (OSError, ValueError) as error:
        raise WordingError(f"{path} cannot be read: {error}") from error
    found: dict[int, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        task, tab, sentence = line.partition("\t")
        if not tab or not task.strip().isdecimal() or not sentence.strip():
            raise WordingError(f"{path}, line {number}: need task<TAB>sentence, got {printable(line)!r}")
        if sentence.strip() in found.setdefault(int(task), []):
            raise WordingError(f"{path}, line {number}: task {int(task)} has this sentence already")
        found[int(task)].append(sentence.strip())
    if not found:
        raise WordingError(f"{path} holds no sentence")
    return {task: tuple(sentences) for task, sentences in found.items()}


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
