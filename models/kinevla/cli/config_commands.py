"""`kinevla config list` and `kinevla config show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tyro.conf import Positional

from kinevla.cli.command import Outcome
from kinevla.configs import MODELS, TOKENIZERS, TRAININGS, Registry, TrainingPreset, UnknownNameError
from kinevla.plain import to_plain

_REGISTRIES: dict[str, Registry[Any]] = {"training": TRAININGS, "tokenizer": TOKENIZERS, "model": MODELS}
Kind = Literal["training", "tokenizer", "model"]


@dataclass(frozen=True)
class ListArgs:
    """Options of `kinevla config list`."""

    kind: Kind | None = None  # Only configurations of this kind


def run_list(args: ListArgs) -> Outcome:
    """List the named configurations of every kind."""
    chosen = {kind: registry for kind, registry in _REGISTRIES.items() if args.kind in (None, kind)}
    width = max(len(name) for registry in chosen.values() for name in registry.names)
    lines: list[str] = []
    for kind, registry in chosen.items():
        lines += ["", f"{registry.kind}s (--kind {kind}):"]
        lines += [f"  {entry.name:<{width}}  {entry.summary}" for entry in registry]
    figures = {kind: {entry.name: entry.summary for entry in registry} for kind, registry in chosen.items()}
    return Outcome("\n".join(lines[1:]), figures)


@dataclass(frozen=True)
class ShowArgs:
    """Options of `kinevla config show`."""

    name: Positional[str]  # Name of a configuration (kinevla config list)
    kind: Kind | None = None  # Which kind, where a name is used by several; all of them by default


def run_show(args: ShowArgs) -> Outcome:
    """Print every value of a named configuration."""
    chosen = [kind for kind in _REGISTRIES if args.kind in (None, kind)]
    found = {
        kind: _values(_REGISTRIES[kind].get(args.name)) for kind in chosen if args.name in _REGISTRIES[kind]
    }
    if not found:
        known = sorted({name for kind in chosen for name in _REGISTRIES[kind].names})
        raise UnknownNameError(f"no configuration is named {args.name!r}, known: {', '.join(known)}")
    lines: list[str] = []
    for kind, values in found.items():
        lines += ["", f"# {_REGISTRIES[kind].kind} {args.name}", *_flat(values)]
    return Outcome("\n".join(lines[1:]), found)


def _values(config: Any) -> dict[str, Any]:
    if isinstance(config, TrainingPreset):
        values = {"tokenizer": config.tokenizer, "tokenizer_kind": config.tokenizer_kind}
        return to_plain(values | config.values())
    return to_plain(config)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name} = {value}"
