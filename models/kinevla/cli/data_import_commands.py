"""`kinevla data import libero`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from kinevla.cli.command import Outcome
from kinevla.cli.data_commands import batch_outcome, require_some


@dataclass(frozen=True)
class LiberoArgs:
    """Options of `kinevla data import libero`."""

    files: tyro.conf.Positional[tuple[Path, ...]]  # LIBERO's HDF5 files, or folders of them
    out: Path  # Data set directory; demonstrations it already holds are skipped
    # Set of annotated tasks whose texts are used
    relabel: Literal["libero_goal_relabeled", "kine_libero"] = "libero_goal_relabeled"
    # Number in that set, which must fit the file's own instruction; None finds it by that
    task: int | None = None
    # What gripper commands mean: LIBERO's -1 open to 1 closed, or 0..1 with 1 open, or with 1 closed
    gripper: Literal["auto", "minus_one_opens", "one_opens", "one_closes"] = "auto"
    rate_hz: float = 20.0  # Frames per second of the recording
    image_size: int = 128  # Side of the stored images, pixels
    drop_idle: bool = True  # Leave out frames in which nothing moves


def run_libero(args: LiberoArgs) -> Outcome:
    """Import LIBERO's demonstrations."""
    from kinevla.data.libero_import import LiberoConfig, import_libero

    require_some(args.files, "FILE")
    config = LiberoConfig(
        args.relabel, args.task, args.rate_hz, args.image_size, args.drop_idle, args.gripper
    )
    return batch_outcome(import_libero(args.files, args.out, config))
