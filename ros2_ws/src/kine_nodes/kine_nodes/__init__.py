"""What the nodes share: parameters from a table, a lifecycle, images as messages and back, a clean end.

Its names are loaded when they are first used: child processes and programs that only look for what is missing
on this machine take single modules of it, without ROS.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kine_nodes.bounded import (
        DIAGNOSTICS_BYTES,
        IMAGE_BYTES,
        SMALL_BYTES,
        bounded_subscription,
        intake_of,
        not_read,
    )
    from kine_nodes.managed import AUTOSTART, ManagedNode, autostart
    from kine_nodes.parameters import Parameter, declare
    from kine_nodes.program import run
    from kine_nodes.spin import init, spin_until_signal
    from kine_nodes.stop_lane import StopLane
    from kine_nodes.system_clock import require_system_clock

__all__ = [
    "AUTOSTART",
    "DIAGNOSTICS_BYTES",
    "IMAGE_BYTES",
    "SMALL_BYTES",
    "ManagedNode",
    "Parameter",
    "StopLane",
    "autostart",
    "bounded_subscription",
    "declare",
    "init",
    "intake_of",
    "not_read",
    "require_system_clock",
    "run",
    "spin_until_signal",
]

_HOME = {
    **dict.fromkeys(("AUTOSTART", "ManagedNode", "autostart"), "managed"),
    **dict.fromkeys(("Parameter", "declare"), "parameters"),
    **dict.fromkeys(("init", "spin_until_signal"), "spin"),
    "StopLane": "stop_lane",
    "require_system_clock": "system_clock",
    "run": "program",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'bounded')}"), name)
