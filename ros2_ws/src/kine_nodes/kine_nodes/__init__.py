"""What the nodes share: parameters from a table, a lifecycle, images as messages and back, a clean end."""

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
from kine_nodes.run import run
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
