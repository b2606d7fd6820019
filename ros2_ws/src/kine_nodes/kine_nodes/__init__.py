"""What the nodes share: parameters from a table, images as messages and back, a clean end on signals."""

from kine_nodes.parameters import Parameter, declare
from kine_nodes.run import run
from kine_nodes.spin import init, spin_until_signal

__all__ = ["Parameter", "declare", "init", "run", "spin_until_signal"]
