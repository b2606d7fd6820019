"""The state a training run is continued from: one file, replaced atomically, that knows whose it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from kinevla.plain import flattened

STATE_NAME = "trainer.pt"
_FORMAT = 2
_FORMER_NAME = "progress.pt"  # of tokenizers, in format 1


class ResumeError(RuntimeError):
    """A directory holds a run that cannot be continued as asked."""


def save_state(directory: Path, state: dict[str, Any]) -> None:
    """Write the state of a run atomically: a process killed while writing leaves the state before.

    The state goes to the disk as it is packed: a second copy of a large network may not fit in memory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{STATE_NAME}.tmp"
    with temporary.open("wb") as stream:
        torch.save(state | {"format": _FORMAT}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, directory / STATE_NAME)


def load_state(directory: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the state of a run with the same settings, None when there is none.

    Raises:
        ResumeError: the stored run has other settings, is of an earlier format, or its state is damaged.
    """
    path, former = directory / STATE_NAME, directory / _FORMER_NAME
    if former.is_file():
        raise ResumeError(_earlier(former))
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ResumeError(f"{path} is damaged: {error}") from error
    if state.get("format") != _FORMAT:
        raise ResumeError(_earlier(path))
    stored, asked = flattened(state["identity"]), flattened(identity)
    for key in sorted(set(stored) | set(asked)):
        if stored.get(key) != asked.get(key):
            raise ResumeError(
                f"{directory} holds a run with {key} = {stored.get(key)!r}, asked for {asked.get(key)!r}: "
                "use another --out"
            )
    return state


def _earlier(path: Path) -> str:
    return (
        f"{path} is of a training by an earlier version, which this one cannot continue: use another --out, "
        "or delete the file to start again"
    )
