"""The robot as URDF: `robot_urdf` makes it from the kinematic table of the simulator."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kine_description.mount import Mount, read_mount
    from kine_description.urdf import nominal_mounts, robot_urdf

__all__ = ["Mount", "nominal_mounts", "read_mount", "robot_urdf"]

_HOME = {"Mount": "mount", "nominal_mounts": "urdf", "read_mount": "mount", "robot_urdf": "urdf"}


def __getattr__(name: str) -> Any:
    """Loaded when it is used: the program of this package looks first for what is missing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
