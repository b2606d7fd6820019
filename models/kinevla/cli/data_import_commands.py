"""`kinevla data import libero`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kinevla.cli.command import Outcome
from kinevla.cli.data_commands import batch_outcome, require_some
from kinevla.data.libero_import import LiberoConfig, import_libero


@dataclass(frozen=True)
class LiberoArgs:
    """Options of `kinevla data import libero`."""

    files: tyro.conf.Positional[tuple[Path, ...]]  # LIBERO's HDF5 files, or folders of them
    out: Path  # Data set directory; demonstrations it already holds are skipped
    config: Annotated[LiberoConfig, tyro.conf.arg(name="")] = field(default_factory=LiberoConfig)


def run_libero(args: LiberoArgs) -> Outcome:
    """Import LIBERO's demonstrations."""
    require_some(args.files, "FILE")
    return batch_outcome(import_libero(args.files, args.out, args.config))
