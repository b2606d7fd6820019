"""Nodes that judge how old something is run on the system clock: simulated time may stand still or lag."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

NAME = "use_sim_time"
REASON = (
    f"{NAME} is true, must be false: ages are judged by the system clock, a simulated one may stand still"
)


def refuse_simulated_time(node: Node) -> None:
    """From now on, refuse to set `use_sim_time` to true."""

    def may_set(changes: list[Parameter[Any]]) -> SetParametersResult:
        wanted = any(change.name == NAME and change.value for change in changes)
        return SetParametersResult(successful=not wanted, reason=REASON if wanted else "")

    node.add_on_set_parameters_callback(may_set)


def require_system_clock(node: Node) -> None:
    """Refuse simulated time from now on, and if it was chosen already.

    Raises:
        ValueError: `use_sim_time` is true.
    """
    refuse_simulated_time(node)
    check_system_clock(node)


def check_system_clock(node: Node) -> None:
    """Raises ValueError when `use_sim_time` is true."""
    if node.get_parameter(NAME).value:
        raise ValueError(REASON)
