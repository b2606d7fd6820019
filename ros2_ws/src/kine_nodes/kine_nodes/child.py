"""Python programs as child processes that import nothing from the folder somebody happens to stand in.

`python -m` puts the working directory in front of everything, and an empty or relative entry of `PYTHONPATH`
means it too: a `pickle.py` lying there would run in the process that drives the arm.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module on Python's safe path."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment(module: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a child: it finds what this process finds, but for the working directory.

    Args:
        module: what it runs; the folder its package was found in stays in the path, wherever that is.
        changes: further variables.
    """
    kept = [entry for entry in sys.path if _is_safe(entry, _home(module))]
    # For its own children too, where they are started by name or spawned.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(kept), "PYTHONSAFEPATH": "1", **(changes or {})}


def _home(module: str) -> Path | None:
    found = importlib.util.find_spec(module.partition(".")[0])
    return Path(found.origin).resolve().parent.parent if found is not None and found.origin else None


def _is_safe(entry: str, home: Path | None) -> bool:
    if not os.path.isabs(entry):
        return False
    folder = Path(entry).resolve()
    try:
        return folder == home or folder != Path.cwd().resolve()
    except FileNotFoundError:  # the working directory was removed
        return True
