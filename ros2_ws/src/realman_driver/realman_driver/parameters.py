"""ROS parameters from the configuration dataclass: declared with description and bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from .config import DriverConfig


def declare(node: Node) -> None:
    """Declare all parameters of `DriverConfig`.

    Raises:
        rclpy.exceptions.ParameterException: a value given at the start has the wrong type or breaks a bound.
    """
    for item in dataclasses.fields(DriverConfig):
        default: Any = item.default
        descriptor = ParameterDescriptor(description=item.metadata["description"])
        bounds = item.metadata["bounds"]
        if bounds is not None and isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=bounds[0], to_value=bounds[1], step=0)]
        elif bounds is not None:
            low, high = float(bounds[0]), float(bounds[1])
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
        value = list(default) if isinstance(default, tuple) else default
        node.declare_parameter(item.name, value, descriptor)


def read(node: Node) -> DriverConfig:
    """The configuration as the parameters say.

    Raises:
        ValueError: a value is not allowed; names it.
    """
    values: dict[str, Any] = {}
    for item in dataclasses.fields(DriverConfig):
        value = node.get_parameter(item.name).value
        values[item.name] = tuple(value) if isinstance(item.default, tuple) else value
    return DriverConfig(**values)
