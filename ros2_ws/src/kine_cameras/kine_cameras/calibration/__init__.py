"""Calibration of a camera's lens and of its mount, from pictures of a board.

Plain Python on OpenCV and SciPy; `command` is the command line, `capture` takes pictures from running nodes.
"""

from kine_cameras.calibration.board import Board, View
from kine_cameras.calibration.lens import LensCalibration, LensLimits, calibrate_lens
from kine_cameras.calibration.mount import MountCalibration, MountLimits, calibrate_mount

__all__ = [
    "Board",
    "LensCalibration",
    "LensLimits",
    "MountCalibration",
    "MountLimits",
    "View",
    "calibrate_lens",
    "calibrate_mount",
]
