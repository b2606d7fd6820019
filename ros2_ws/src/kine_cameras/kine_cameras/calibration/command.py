"""Calibrates a camera's lens and its mount from pictures of a board.

    calibrate board --out board.png                      a board to print
    calibrate capture --camera wrist --folder pictures   pictures and joints from the running robot
    calibrate lens --camera wrist --folder pictures --out wrist.yaml
    calibrate mount --camera wrist --folder pictures --lens wrist.yaml --out wrist_mount.yaml

Give the same board options each time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import cv2
import tyro

from kine_cameras import intrinsics_file
from kine_cameras.calibration import report, results
from kine_cameras.calibration.board import Board
from kine_cameras.calibration.lens import LensLimits, calibrate_lens
from kine_cameras.calibration.mount import MountLimits, calibrate_mount
from kine_cameras.calibration.pictures import JOINTS_FILE, find_views, read_joints
from kine_sim import rm75

Camera = Literal["front", "wrist"]
FLANGE, BASE = "link_7", "base_link"


@dataclass(frozen=True)
class MakeBoard:
    """Write the board as a picture for printing.

    Attributes:
        out: png file.
        board: what it looks like.
    """

    out: Path
    board: Board = field(default_factory=Board)

    def run(self) -> str:
        """Write it and say its size."""
        width_m, height_m = self.board.size_m
        if not cv2.imwrite(str(self.out), self.board.picture()):
            raise ValueError(f"{self.out} cannot be written")
        size = f"{width_m * 1e3:.0f} x {height_m * 1e3:.0f} mm"
        return f"{self.out}: print it {size}, measure a square, glue it flat"


@dataclass(frozen=True)
class Capture:
    """Take pictures, and the joints they were taken at, from the running robot.

    Attributes:
        camera: whose images.
        folder: where they go; must hold no pictures yet.
        joints: false: for the lens only, without joint states.
        board: what it looks like.
    """

    camera: Camera
    folder: Path
    joints: bool = True
    board: Board = field(default_factory=Board)

    def run(self) -> str:
        """Take them and say how many."""
        from kine_cameras.calibration import capture  # the only part that needs ROS

        count = capture.run(self.folder, self.camera, self.board, self.joints)
        return f"{count} pictures in {self.folder}"


@dataclass(frozen=True)
class Lens:
    """Intrinsics: focal lengths, centre and distortion.

    Attributes:
        camera: name in the file.
        folder: pictures of the board.
        out: YAML file for the camera node; a picture of the result goes beside it.
        board: what it looks like.
        limits: what is believed.
    """

    camera: Camera
    folder: Path
    out: Path
    board: Board = field(default_factory=Board)
    limits: LensLimits = field(default_factory=LensLimits)

    def run(self) -> str:
        """Calibrate, write, and describe the result."""
        found = find_views(self.folder, self.board)
        result = calibrate_lens(found.views, self.limits)
        results.write(self.out, results.lens_mapping(self.camera, result, found.views, self.board))
        title = f"{self.camera} lens: {result.error_px:.3f} px over {len(found.views)} pictures"
        picture = self.out.with_suffix(".png")
        report.draw(picture, title, found.views, result.view_error_px)
        i, std = result.intrinsics, result.std_px
        return "\n".join(
            [
                report.table(found.views, result.view_error_px, found.missed),
                title,
                f"fx {i.fx:.2f} +- {std[0]:.2f}  fy {i.fy:.2f} +- {std[1]:.2f}  "
                f"cx {i.cx:.2f} +- {std[2]:.2f}  cy {i.cy:.2f} +- {std[3]:.2f} px",
                f"written: {self.out}, {picture}",
            ]
        )


@dataclass(frozen=True)
class Mount:
    """Where the camera is fixed: on the flange, or beside the arm with the board in the gripper.

    Attributes:
        camera: `wrist`: on the flange, board on the table; `front`: beside the arm, board in the gripper.
        folder: pictures of the board, and `joints.csv`.
        lens: file of `calibrate lens`.
        out: YAML file for the description; a picture of the result goes beside it.
        board: what it looks like.
        limits: what is believed.
    """

    camera: Camera
    folder: Path
    lens: Path
    out: Path
    board: Board = field(default_factory=Board)
    limits: MountLimits = field(default_factory=MountLimits)

    def run(self) -> str:
        """Calibrate, write, and describe the result."""
        intrinsics = intrinsics_file.read(self.lens)
        joints = read_joints(self.folder)
        found = find_views(self.folder, self.board)
        without = [view.name for view in found.views if view.name not in joints]
        if without:
            raise ValueError(f"{self.folder / JOINTS_FILE} has no line for {', '.join(without)}")
        poses = [rm75.forward_kinematics(joints[view.name]) for view in found.views]
        on_flange = self.camera == "wrist"
        result = calibrate_mount(found.views, poses, intrinsics, on_flange, self.limits)
        parent = FLANGE if on_flange else BASE
        mapping = results.mount_mapping(self.camera, parent, result, found.views, self.board)
        results.write(self.out, mapping)
        title = (
            f"{self.camera} mount: {result.error_px:.3f} px, board {result.position_error_mm:.2f} mm and "
            f"{result.rotation_error_deg:.2f} degrees apart over {len(found.views)} pictures"
        )
        picture = self.out.with_suffix(".png")
        report.draw(picture, title, found.views, result.view_error_px)
        pose = mapping["mount"]
        deviation = ", ".join(f"{value:.2f}" for value in result.std_mm)
        return "\n".join(
            [
                report.table(found.views, result.view_error_px, found.missed),
                title,
                f"{pose['child_frame']} in {parent}: {pose['translation_m']} m, +- {deviation} mm",
                f"written: {self.out}, {picture}",
            ]
        )


Command = (
    Annotated[MakeBoard, tyro.conf.subcommand("board")]
    | Annotated[Capture, tyro.conf.subcommand("capture")]
    | Annotated[Lens, tyro.conf.subcommand("lens")]
    | Annotated[Mount, tyro.conf.subcommand("mount")]
)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns 0, or 2 with one line when the input is not good enough."""
    try:
        command = tyro.cli(Command, args=arguments, description=__doc__)
        print(command.run())
    except (ValueError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
