"""Writes the URDF, with cameras where the calibration files say."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from kine_description.mount import read_mount
from kine_description.urdf import CAMERA_PARENTS, nominal_mounts, robot_urdf


@dataclass(frozen=True)
class Options:
    """Options of the command.

    Attributes:
        out: file to write; empty: to the screen.
        front_mount, wrist_mount: files of `ros2 run kine_cameras calibrate`; empty: as in the simulator.
    """

    out: str = ""
    front_mount: str = ""
    wrist_mount: str = ""


def urdf(front_mount: str = "", wrist_mount: str = "") -> str:
    """The URDF for two mount files; an empty name keeps the nominal mount.

    Raises:
        ValueError: a file that cannot be used.
    """
    mounts = nominal_mounts()
    for name, file in (("front", front_mount), ("wrist", wrist_mount)):
        if file:
            mounts[name] = read_mount(Path(file).expanduser(), CAMERA_PARENTS)
    return robot_urdf(mounts)


def main() -> None:
    """Command line; exit code 2 when a file cannot be used."""
    options = tyro.cli(Options, description=__doc__)
    try:
        text = urdf(options.front_mount, options.wrist_mount)
        if options.out:
            Path(options.out).write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)
    except (ValueError, OSError) as error:
        print(f"make_urdf: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
