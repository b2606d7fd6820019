"""A checkpoint with one weight that is no number, and a manifest that agrees with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from kinevla.manifest import file_sha256, read_manifest, write_json


def copy_with_a_weight_that_is_no_number(checkpoint: Path, target: Path) -> Path:
    """Copy the checkpoint into a new folder, spoil it, and return that folder."""
    shutil.copytree(checkpoint, target)
    weights = load_file(target / "model.safetensors")
    first = next(name for name in sorted(weights) if weights[name].is_floating_point())
    weights[first].view(-1)[0] = float("nan")
    save_file(weights, target / "model.safetensors")
    manifest = read_manifest(target)
    for name in manifest["files"]:
        path = target / name
        manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_json(target / "manifest.json", manifest)
    return target
