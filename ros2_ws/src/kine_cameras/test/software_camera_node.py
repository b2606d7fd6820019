"""The camera node with a software camera; `pull` and `plug` on standard input move its cable."""

import sys
import threading
from dataclasses import replace

from camera_rig import SMALL

from kine_cameras.camera_node import run
from kine_cameras.realsense import RealsenseSettings, RealsenseSource
from kine_cameras.software_camera import SoftwareCamera

CAMERA = SoftwareCamera(
    "0123", replace(SMALL, width=640, height=480), clock_offset_ns=10**12, clock_drift=1e-4
)


def commands() -> None:
    for line in sys.stdin:
        {"pull": CAMERA.pull_out, "plug": CAMERA.plug_in}[line.strip()]()
        print(line.strip(), CAMERA.captured, flush=True)


CAMERA.plug_in()
threading.Thread(target=commands, daemon=True).start()
run(lambda values: RealsenseSource(RealsenseSettings(serial=values["serial"]), CAMERA.context))
