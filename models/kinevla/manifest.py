"""A manifest beside every result: which files, which bytes, made by which code from which inputs.

A directory written by this package (data set, tokeniser, checkpoint, report) holds a `manifest.json`.
Loading starts with `verify_manifest`, so a half-copied or edited result is refused by name instead of
being run on a robot. A file that a loader wants and the manifest does not list is refused, and so is one
behind a link. Its `inputs` name the results it was made from by the hashes of their manifests, and theirs in
turn (see `provenance`). An older manifest without `inputs` or `config_sha256` stays readable.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from kinevla import __version__
from kinevla.bounded import printable, read_json
from kinevla.plain import to_plain

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = "kinevla-manifest-1"


class ManifestError(RuntimeError):
    """A result does not match its manifest; the text names the first file that differs."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    text = json.dumps(to_plain(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def json_sha256(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON text (sorted keys, no spaces)."""
    text = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version() -> dict[str, str]:
    """Describe the code that runs: package version, digest of its sources, interpreter."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(root.rglob("*.py")):
        digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes())
    return {
        "kinevla": __version__,
        "source_sha256": digest.hexdigest(),
        "python": platform.python_version(),
    }


def write_manifest(
    directory: Path,
    *,
    kind: str,
    files: Iterable[str],
    config: Any = None,
    summary: Any = None,
    inputs: Mapping[str, Path | Mapping[str, Any]] | None = None,
    known_sha256: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write `manifest.json` for a result directory.

    Args:
        kind: what it is ("episodes", "tokenizer", "policy", ...); a loader checks it.
        files: names relative to `directory` whose bytes are recorded.
        config: the configuration the result was made with (dataclass or mapping).
        summary: figures a reader wants without opening the files.
        inputs: what it was made from by role ("data", "tokenizer", "base", "statistics", ...): the
            directory of a result, or a record as `describe_input` returns.
        known_sha256: hashes computed already while writing, by name; other files are hashed now.

    Returns:
        The manifest as written.

    Raises:
        ManifestError: a file is missing, or the directory holds a result of another kind.
    """
    refuse_other_result(directory, kind)
    known = known_sha256 or {}
    entries: dict[str, dict[str, Any]] = {}
    for name in sorted(files):
        path = directory / name
        if not path.is_file():
            raise ManifestError(f"cannot write a manifest for {path}: the file does not exist")
        entries[name] = {"bytes": path.stat().st_size, "sha256": known.get(name) or file_sha256(path)}
    plain = to_plain(config)
    manifest = {
        "format": MANIFEST_FORMAT,
        "kind": kind,
        "code": code_version(),
        "config": plain,
        "config_sha256": json_sha256(plain),
        "inputs": {
            role: describe_input(made_from) if isinstance(made_from, Path) else to_plain(made_from)
            for role, made_from in (inputs or {}).items()
        },
        "summary": to_plain(summary),
        "files": entries,
    }
    write_json(directory / MANIFEST_NAME, manifest)
    return manifest


def describe_input(directory: Path) -> dict[str, Any]:
    """Return the record that names a result as the input of another.

    A directory of other origin (a public checkpoint) is named by the hashes of its files.

    Returns:
        'kind', 'name' of the directory, 'manifest_sha256', 'config_sha256' and 'source_sha256' (of the code
        that made it; None where its manifest does not say), and its own 'inputs', so that the chain is whole.

    Raises:
        ManifestError: the directory does not exist, is empty, or its manifest is unreadable.
    """
    directory = Path(directory)
    if directory.is_dir() and not (directory / MANIFEST_NAME).exists():
        return _describe_foreign(directory.resolve())
    manifest = read_manifest(directory)
    return {
        "kind": manifest["kind"],
        "name": directory.resolve().name,
        "manifest_sha256": file_sha256(directory / MANIFEST_NAME),
        "config_sha256": manifest.get("config_sha256"),
        "source_sha256": manifest.get("code", {}).get("source_sha256"),
        "inputs": manifest.get("inputs", {}),
    }


@cache
def _describe_foreign(directory: Path) -> dict[str, Any]:
    files = {path.name: file_sha256(path) for path in sorted(directory.iterdir()) if path.is_file()}
    if not files:
        raise ManifestError(f"{directory} holds no files")
    return {"kind": "foreign", "name": directory.name, "sha256": json_sha256(files), "files": files}


def read_manifest(directory: Path, *, kind: str | None = None) -> dict[str, Any]:
    """Read a manifest without checking the files it lists.

    Raises:
        ManifestError: missing or unreadable manifest, unknown format, another kind than asked for, or a
            configuration that is not the one the manifest was written with.
    """
    directory = Path(directory)
    path = directory / MANIFEST_NAME
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        raise ManifestError(f"{directory} {what}; expected a directory with a {MANIFEST_NAME}")
    if not path.is_file():
        inside = [name for name in ("best", "last") if (directory / name / MANIFEST_NAME).is_file()]
        hint = f"; is {directory / inside[0]} meant?" if inside else ""
        raise ManifestError(f"{directory} holds no {MANIFEST_NAME}: it is no finished kinevla result{hint}")
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ManifestError(f"{path} has format {found!r}, this code reads {MANIFEST_FORMAT!r}")
    if kind is not None and manifest.get("kind") != kind:
        raise ManifestError(f"{path} describes a result of kind {manifest.get('kind')!r}, expected {kind!r}")
    _check_entries(path, manifest.get("files"))
    stated = manifest.get("config_sha256")
    if stated is not None and json_sha256(manifest.get("config")) != stated:
        raise ManifestError(f"{path}: its config was changed after it was written (sha256 differs)")
    return manifest


def refuse_other_result(directory: Path, kind: str) -> None:
    """Refuse to write a result of this kind into the directory of another one.

    Raises:
        ManifestError: there is a manifest, of another kind or of another program.
    """
    if not (Path(directory) / MANIFEST_NAME).exists():
        return
    try:
        read_manifest(directory, kind=kind)
    except ManifestError as error:
        raise ManifestError(f"{error}: use another --out") from error


def _check_entries(path: Path, files: Any) -> None:
    """Refuse a file list that is no list of files inside the result."""
    if not isinstance(files, dict):
        raise ManifestError(f"{path} lists no files")
    for name, entry in files.items():
        known = entry if isinstance(entry, dict) else {}
        if not isinstance(known.get("bytes"), int) or not isinstance(known.get("sha256"), str):
            raise ManifestError(
                f"{path}: the entry of {printable(name)} needs 'bytes' and 'sha256', got {printable(entry)}"
            )
        if not _lies_inside(name):
            raise ManifestError(f"{path} lists {printable(name)}, which lies outside the result")


def _lies_inside(name: str) -> bool:
    plain = PurePosixPath(name)
    return str(plain) == name and not plain.is_absolute() and ".." not in plain.parts and "\0" not in name


def listed_file(directory: Path, name: str) -> Path:
    """Return the path of a file that a manifest lists.

    Raises:
        ManifestError: it is missing, or a link leads out of the result.
    """
    path = directory / name
    if not path.is_file():
        raise ManifestError(f"{path} is listed in {MANIFEST_NAME} but missing")
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ManifestError(f"{path} is a link out of the result, to {path.resolve()}")
    return path


def require_listed(manifest: Mapping[str, Any], directory: Path, names: Iterable[str]) -> None:
    """Refuse a result whose manifest does not list what is going to be loaded from it.

    Raises:
        ManifestError: naming the files.
    """
    files: Collection[str] = manifest["files"]
    if unlisted := [name for name in names if name not in files]:
        named = printable(", ".join(unlisted))
        raise ManifestError(f"{directory}: {named} would be loaded, but {MANIFEST_NAME} does not list it")


def verify_manifest(
    directory: Path, *, kind: str | None = None, hashes: bool = True, needs: Iterable[str] = ()
) -> dict[str, Any]:
    """Check every file of a result against its manifest and return the manifest.

    Args:
        hashes: False checks presence and size only (for large data sets whose readers hash lazily).
        needs: names of files that are going to be loaded, which the manifest must list.

    Raises:
        ManifestError: naming the first file that is missing, not listed, elsewhere, or whose size or hash
            differs; or the manifest lists nothing.
    """
    directory = Path(directory)
    manifest = read_manifest(directory, kind=kind)
    if not manifest["files"]:
        raise ManifestError(
            f"{directory / MANIFEST_NAME} lists no files: nothing of the result is vouched for"
        )
    require_listed(manifest, directory, needs)
    for name, entry in manifest["files"].items():
        path = listed_file(directory, name)
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise ManifestError(f"{path} has {size} bytes, {MANIFEST_NAME} says {entry['bytes']}")
        if hashes and (found := file_sha256(path)) != entry["sha256"]:
            raise ManifestError(
                f"{path} differs from {MANIFEST_NAME}: "
                f"sha256 {found[:12]}..., expected {entry['sha256'][:12]}..."
            )
    return manifest
