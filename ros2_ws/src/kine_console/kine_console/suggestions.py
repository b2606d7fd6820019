"""The sentences a checkpoint was trained with."""

from __future__ import annotations

from pathlib import Path

from kine_nodes.files import read_json


def trained_instructions(checkpoint: str) -> tuple[str, ...]:
    """The instructions listed in the checkpoint's `training.json`; none when the folder has no such list.

    The page suggests them; what the policy accepts is decided by the policy alone.
    """
    if not checkpoint:
        return ()
    try:
        tasks = read_json(Path(checkpoint) / "training.json")["tasks"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if not isinstance(tasks, list):
        return ()
    return tuple(text[:200] for text in tasks if isinstance(text, str))[:200]
