"""What a result was made from, and that from what, as its manifest tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinevla.manifest import MANIFEST_NAME, ManifestError, file_sha256


def chain(manifest: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every result a manifest's result was made from, as ((role, role of the input, ...), record)."""
    for role, record in manifest.get("inputs", {}).items():
        yield (role,), record
        for roles, deeper in chain(record):
            yield (role, *roles), deeper


def require_input(manifest: Mapping[str, Any], directory: Path) -> tuple[str, ...]:
    """Return the roles under which a result is an input of a manifest's result.

    Raises:
        ManifestError: it is none of the inputs; they are named with their hashes.
    """
    found = file_sha256(directory / MANIFEST_NAME) if (directory / MANIFEST_NAME).is_file() else None
    if found is None:
        raise ManifestError(f"{directory} holds no {MANIFEST_NAME}: it is no finished kinevla result")
    known = []
    for roles, record in chain(manifest):
        if record.get("manifest_sha256") == found:
            return roles
        known.append(f"{'/'.join(roles)} {str(record.get('manifest_sha256') or record.get('sha256'))[:12]}")
    raise ManifestError(
        f"{directory} ({found[:12]}) is none of the inputs: {', '.join(known) or 'the manifest names none'}"
    )
