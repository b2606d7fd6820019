"""Is LIBERO here, with its assets? Says in one line what to do when it is not; imports nothing of it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

ADVICE = (
    "install it with `pip install hf-libero` (0.1.4 ships task files and start states, no meshes) and put "
    "the folder libero/libero/assets of https://github.com/Lifelong-Robot-Learning/LIBERO into its "
    "package folder libero/libero"
)


class LiberoMissingError(RuntimeError):
    """LIBERO, its configuration or its assets are missing; the text says where to get them."""


def libero_root() -> Path:
    """Return the folder libero/libero of the installed package.

    Raises:
        LiberoMissingError: package, assets or configuration missing.
    """
    # find_spec("libero") does not run the inner package, whose import asks questions on the terminal.
    spec = importlib.util.find_spec("libero")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    root = next((Path(p) / "libero" for p in places if (Path(p) / "libero").is_dir()), None)
    if root is None:
        raise LiberoMissingError(f"LIBERO is not installed: {ADVICE}")
    if not (root / "assets" / "articulated_objects").is_dir():
        raise LiberoMissingError(f"LIBERO's assets are missing in {root / 'assets'}: {ADVICE}")
    config = Path(os.environ.get("LIBERO_CONFIG_PATH", "~/.libero")).expanduser() / "config.yaml"
    if not config.is_file():
        raise LiberoMissingError(
            f"{config} is missing, LIBERO's import would ask for it on the terminal: write the lines "
            "benchmark_root, bddl_files, init_states, datasets and assets with their folders into it"
        )
    return root
