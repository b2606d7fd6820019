"""The death of a thread is that of its program: a node that lives on with a part missing looks healthy."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from kine_nodes.texts import printable

_lock = threading.Lock()
_reasons: list[str] = []


def watch_threads(then: Callable[[], object] | None = None) -> None:
    """From now on a thread that ends by an exception is told on stderr in one line, and `death` names it.

    Args:
        then: called in the dying thread, once; where nobody asks for `death`, it has to end the program.
    """
    _reasons.clear()

    def hook(end: threading.ExceptHookArgs) -> None:
        if issubclass(end.exc_type, SystemExit):
            return
        name = end.thread.name if end.thread is not None else "unknown"
        text = f"thread '{name}' died: {describe(end.exc_value or end.exc_type())}"
        print(f"{Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)
        with _lock:
            first = not _reasons
            _reasons.append(text)
        if first and then is not None:
            then()

    threading.excepthook = hook


def death() -> str:
    """The reason of the first thread that died, in one line; empty while all live."""
    with _lock:
        return _reasons[0] if _reasons else ""


def describe(error: BaseException) -> str:
    """An unexpected error in one line: kind, text, and the line of code it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return printable(f"{type(error).__name__}: {error}{place}")
