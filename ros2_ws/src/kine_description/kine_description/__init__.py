"""The robot as URDF: `robot_urdf` makes it from the kinematic table of the simulator."""

from kine_description.mount import Mount, read_mount
from kine_description.urdf import nominal_mounts, robot_urdf

__all__ = ["Mount", "nominal_mounts", "read_mount", "robot_urdf"]
