"""From `main` to the end of a node: start, spin until a signal, close."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor

from kine_nodes.managed import ManagedNode, autostart
from kine_nodes.spin import init, spin_until_signal
from kine_nodes.texts import printable


def run(name: str, build: Callable[[], ManagedNode], executor: Callable[[], Executor] | None = None) -> None:
    """Build a node, activate it unless its parameter `autostart` is false, and spin it until a signal.

    It ends with one line and status 2 when a parameter is not allowed or the node cannot be configured as
    they say, with status 1 when it cannot be activated, and when a callback raised or a thread died.

    Args:
        name: of the program, for its error message.
        build: makes the node.
        executor: makes what serves the node's callbacks; None: a single-threaded one.
    """
    init()
    node = None
    try:
        node = build()
        code = 0 if autostart(node) else 1 if node.configured else 2
        error: Exception | None = node.failure
    except (ValueError, ParameterException) as refused:
        code, error = 2, refused
    except KeyboardInterrupt:  # while it was still starting
        rclpy.try_shutdown()
        return
    died = 0
    if node is not None and not code:
        died = spin_until_signal(node, executor=None if executor is None else executor())
    if node is not None:
        node.end()
        node.destroy_node()
    rclpy.try_shutdown()
    if died:
        sys.exit(died)
    if code:
        print(f"{name}: {printable(error)}", file=sys.stderr)
        sys.exit(code)
