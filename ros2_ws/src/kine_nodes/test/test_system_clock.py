"""Simulated time is refused by nodes that judge ages, at the start and later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from kine_nodes.managed import AUTOSTART, ManagedNode
from kine_nodes.system_clock import require_system_clock


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    yield context
    context.try_shutdown()


def test_a_node_started_with_simulated_time_refuses_in_one_sentence(context: rclpy.Context) -> None:
    chosen = [Parameter("use_sim_time", value=True)]
    node = Node("aged", context=context, parameter_overrides=chosen)
    with pytest.raises(ValueError, match="use_sim_time is true, must be false"):
        require_system_clock(node)
    node.destroy_node()


def test_simulated_time_cannot_be_chosen_later_and_the_clock_stays(context: rclpy.Context) -> None:
    node = Node("aged", context=context)
    require_system_clock(node)
    result = node.set_parameters([Parameter("use_sim_time", value=True)])[0]
    assert not result.successful
    assert "use_sim_time" in result.reason
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    assert node.get_clock().now().nanoseconds > 10**18
    node.destroy_node()


def test_every_managed_node_refuses_it() -> None:
    rclpy.init(args=["--ros-args", "-p", "use_sim_time:=true"])
    try:
        with pytest.raises(ValueError, match="use_sim_time"):
            ManagedNode("aged", AUTOSTART)
    finally:
        rclpy.shutdown()
