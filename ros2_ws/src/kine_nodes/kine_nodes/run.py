"""From `main` to the end of a node: start, spin until a signal, close."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from kine_nodes.managed import ManagedNode, autostart
from kine_nodes.spin import init, spin_until_signal


def run(name: str, build: Callable[[], Node]) -> None:
    """Build a node and spin it until SIGINT or SIGTERM; its `close`, where it has one, is called at the end.

    A `ManagedNode` is activated first, unless its parameter `autostart` is false.

    Args:
        name: of the program, for its error message.
        build: makes the node; a parameter that is not allowed (ValueError, or refused by rclpy) ends it all
            with status 2 and one line.
    """
    init()
    try:
        node = build()
    except (ValueError, ParameterException) as error:
        print(f"{name}: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        sys.exit(2)
    except KeyboardInterrupt:
        rclpy.try_shutdown()
        return
    if isinstance(node, ManagedNode) and not autostart(node):
        print(f"{name}: could not be activated", file=sys.stderr)
        rclpy.try_shutdown()
        sys.exit(1)
    spin_until_signal(node)
    close = getattr(node, "close", None)
    if close is not None:
        close()
    node.destroy_node()
    rclpy.try_shutdown()
