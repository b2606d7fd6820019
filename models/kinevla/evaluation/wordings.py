"""A frozen list of sentences to evaluate: one line `task<TAB>sentence` each."""

from __future__ import annotations

from pathlib import Path

from kinevla.bounded import MIB, printable, read_bounded


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
