"""`kinevla data export lerobot`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from kinevla.cli.command import Outcome


@dataclass(frozen=True)
class LerobotArgs:
    """Options of `kinevla data export lerobot`."""

    data: tyro.conf.Positional[Path]  # Data set directory
    out: Path  # Directory to write; must be empty or missing
    # Images as films, as films that keep every pixel, or as png inside the tables
    store: Literal["video", "lossless", "png"] = "video"
    robot: str = "realman_rm75"  # Name of the robot in the description
    progress: bool = True  # Show a progress bar


def run_lerobot(args: LerobotArgs) -> Outcome:
    """Export a data set to the LeRobotDataset format."""
    from kinevla.data.episodes import EpisodeReader
    from kinevla.data.lerobot import export_lerobot

    reader = EpisodeReader(args.data)
    frames = export_lerobot(reader, args.out, store=args.store, robot=args.robot, progress=args.progress)
    figures = {"episodes": len(reader), "frames": frames, "out": str(args.out)}
    return Outcome(f"{len(reader)} episodes, {frames} frames in {args.out}", figures)
