"""What the nodes share: parameters from a table, a lifecycle, images as messages and back, a clean end."""

from kine_nodes.managed import AUTOSTART, ManagedNode, autostart
from kine_nodes.parameters import Parameter, declare
from kine_nodes.run import run
from kine_nodes.spin import init, spin_until_signal
from kine_nodes.system_clock import require_system_clock

__all__ = [
    "AUTOSTART",
    "ManagedNode",
    "Parameter",
    "autostart",
    "declare",
    "init",
    "require_system_clock",
    "run",
    "spin_until_signal",
]
