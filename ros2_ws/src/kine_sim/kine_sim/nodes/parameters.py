"""Parameters of the simulated robot: one table with text and bounds."""

from __future__ import annotations

from kine_nodes import Parameter
from kine_sim.tasks import TASKS

TABLE = {
    "task": Parameter(5, "scene of this task is laid out", 1, len(TASKS)),
    "scene_for": Parameter(
        "", "sentence of the language whose table is laid out in place of the task's; empty: the task's"
    ),
    "seed": Parameter(1, "placement, light, colours and camera position", 0, 2**31 - 1),
    "randomise": Parameter(True, "false: the nominal scene"),
    "camera_rate_hz": Parameter(15.0, "frames per second of both cameras", 1.0, 60.0),
    "camera_size_px": Parameter(256, "width and height of the images", 64, 1024),
    "robot_host": Parameter("127.0.0.1", "loopback address the emulated controller listens on"),
    "robot_port": Parameter(8080, "TCP port of the emulated controller; 0: any free one", 0, 65535),
    "controller_generation": Parameter(3, "generation of the emulated controller", 3, 4),
    "frame_log": Parameter("", "file for all traffic with the controller; empty: none"),
}
