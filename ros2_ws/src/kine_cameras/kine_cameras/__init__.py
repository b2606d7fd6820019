"""Cameras of the robot: RealSense, UVC and recorded sources behind one interface, and their calibration.

`CameraWorker` runs a `Source` and survives unplugging. Only `camera_node`, `calibration.capture` and the
reader of bags need ROS.
"""

from kine_cameras.source import CameraError, CameraLost, Frame, Intrinsics, RecordingEnded, Source
from kine_cameras.worker import CameraWorker, WorkerSettings

__all__ = [
    "CameraError",
    "CameraLost",
    "CameraWorker",
    "Frame",
    "Intrinsics",
    "RecordingEnded",
    "Source",
    "WorkerSettings",
]
