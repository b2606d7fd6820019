"""Where a result must not go: into what it is made of, or among recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from kinevla.manifest import ManifestError

_RECORDING = (".mcap", ".db3", ".bag")


def refuse_inputs(out: Path, inputs: Mapping[str, Path | None]) -> None:
    """Refuse to write results into an input, or into a folder that holds recordings.

    Args:
        out: the folder of the results.
        inputs: folders by the option that names each.

    Raises:
        ManifestError: `out` is one of them or lies below one, holds recordings, or is a file.
    """
    real = out.resolve()
    for option, folder in inputs.items():
        if folder is not None and real.is_relative_to(folder.resolve()):
            where = "is" if real == folder.resolve() else "lies in"
            raise ManifestError(f"{out} {where} the folder of {option}, {folder}: use another --out")
    refuse_recordings(out)


def refuse_recordings(out: Path) -> None:
    """Refuse to write results into a folder that holds recordings, each in a folder of its own or not.

    Raises:
        ManifestError: it does, or it is a file.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ManifestError(f"{out} is a file: use another --out")
    if found := next((file for file in _files(out) if _is_recording(file)), None):
        raise ManifestError(f"{out} holds recordings ({found.relative_to(out)}): use another --out")


def _files(folder: Path) -> Iterator[Path]:
    for item in sorted(folder.iterdir()):
        yield from sorted(item.iterdir()) if item.is_dir() else (item,)


def _is_recording(file: Path) -> bool:
    return file.name == "metadata.yaml" or any(part in _RECORDING for part in file.suffixes)
