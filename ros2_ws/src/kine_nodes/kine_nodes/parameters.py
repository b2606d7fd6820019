"""Parameters from one table with text and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
        default: value, which also fixes the type.
        text: what it means, with the unit.
        low, high: bounds of a number, both included; None without bounds.
    """

    default: Any
    text: str
    low: float | None = None
    high: float | None = None

    def descriptor(self, read_only: bool) -> ParameterDescriptor:
        """As ROS wants it; `ros2 param describe` shows it."""
        descriptor = ParameterDescriptor(description=self.text, read_only=read_only)
        if self.low is None or self.high is None:
            return descriptor
        if isinstance(self.default, int):
            bounds = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)
            descriptor.integer_range = [bounds]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)
            ]
        return descriptor


def declare(node: Node, table: Mapping[str, Parameter], read_only: bool = True) -> dict[str, Any]:
    """Declare all parameters of the table and return their values.

    Raises:
        rclpy.exceptions.InvalidParameterValueException: a value given at start is outside its bounds.
        rclpy.exceptions.InvalidParameterTypeException: a value given at start has another type.
    """
    for name, parameter in table.items():
        node.declare_parameter(name, parameter.default, parameter.descriptor(read_only))
    return {name: node.get_parameter(name).value for name in table}
