"""`kinevla manifest check` and `kinevla manifest show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from kinevla.cli.command import Outcome
from kinevla.manifest import MANIFEST_NAME, code_version, file_sha256, read_manifest, verify_manifest
from kinevla.provenance import chain, require_input

_DIGITS = 12


@dataclass(frozen=True)
class CheckArgs:
    """Options of `kinevla manifest check`."""

    directory: Positional[Path]  # A result: data set, tokeniser, checkpoint, report
    against: tuple[Path, ...] = ()  # Results that it must have been made from, directly or not


def run_check(args: CheckArgs) -> Outcome:
    """Check every file of a result, and that the given results are among its inputs."""
    manifest = verify_manifest(args.directory)
    inner = sorted(name for name in manifest["files"] if name.endswith(f"/{MANIFEST_NAME}"))
    for name in inner:
        verify_manifest((args.directory / name).parent)
    roles = {str(path): "/".join(require_input(manifest, path)) for path in args.against}
    count, size = len(manifest["files"]), sum(entry["bytes"] for entry in manifest["files"].values())
    lines = [f"{args.directory}: {manifest['kind']}, {count} files of {size / 1e6:.1f} MB as written"]
    lines += [f"made from {path} ({role})" for path, role in roles.items()]
    return Outcome(
        "\n".join(lines), {"kind": manifest["kind"], "files": count, "bytes": size, "made_from": roles}
    )


@dataclass(frozen=True)
class ShowArgs:
    """Options of `kinevla manifest show`."""

    directory: Positional[Path]  # A result: data set, tokeniser, checkpoint, report


def run_show(args: ShowArgs) -> Outcome:
    """Print what a result is and the chain of what it was made from; its files are not checked."""
    manifest = read_manifest(args.directory)
    own = file_sha256(args.directory / MANIFEST_NAME)
    code = manifest.get("code", {})
    same = code.get("source_sha256") == code_version()["source_sha256"]
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    lines = [
        f"{manifest['kind']} {args.directory.resolve().name}, manifest {own[:_DIGITS]}",
        f"  code    kinevla {code.get('kinevla')}, sources {_short(code.get('source_sha256'))}"
        f"{' (the installed ones)' if same else ''}",
        f"  config  {_short(manifest.get('config_sha256'))}",
        f"  files   {len(manifest['files'])}, {size / 1e6:.1f} MB",
        "  made from" if manifest.get("inputs") else "  made from: not recorded",
        *_chain_lines(manifest),
    ]
    figures = {name: manifest.get(name) for name in ("kind", "code", "config_sha256", "inputs", "summary")}
    return Outcome("\n".join(lines), figures | {"manifest_sha256": own, "files": manifest["files"]})


def _chain_lines(manifest: dict[str, Any]) -> Iterator[str]:
    for roles, record in chain(manifest):
        indent = "  " * (len(roles) + 1)
        name = f" {record['name']!r}" if record.get("name") else ""
        if "manifest_sha256" in record:
            parts = {"manifest": "manifest_sha256", "config": "config_sha256", "sources": "source_sha256"}
        else:
            parts = {"sha256": "sha256"}
        shown = ", ".join(f"{label} {_short(record.get(key))}" for label, key in parts.items())
        yield f"{indent}{roles[-1]}: {record.get('kind')}{name}, {shown}"


def _short(digest: str | None) -> str:
    return digest[:_DIGITS] if digest else "not recorded"
