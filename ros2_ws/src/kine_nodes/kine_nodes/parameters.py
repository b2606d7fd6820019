"""Parameters from one table with text and bounds; what a node does not know is refused."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from kine_nodes import parameter_file

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number with a decimal point",
    str: "a text",
}
SHOWN_CHARACTERS = 80


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

    def problem(self, value: Any) -> str:
        """What is wrong with a value, e.g. `is 5.0, must be within [0.01, 3.14]`; empty when nothing is."""
        shown = repr(value)[:SHOWN_CHARACTERS]
        many = isinstance(self.default, (list, tuple))
        if many != isinstance(value, (list, tuple)):
            return f"is {shown}, must be {'a list' if many else KINDS[type(self.default)]}"
        items, models = (value, self.default) if many else ([value], [self.default])
        for item in items:
            if models and type(item) is not type(models[0]):
                each = "each value of it " if many else ""
                return f"is {shown}, {each}must be {KINDS[type(models[0])]}"
            if isinstance(item, float) and not math.isfinite(item):
                return f"is {shown}, must be finite"
            if self.low is not None and self.high is not None and not self.low <= item <= self.high:
                return f"is {shown}, must be within [{self.low:.12g}, {self.high:.12g}]"
        return ""


def declare(node: Node, table: Mapping[str, Parameter], read_only: bool = True) -> dict[str, Any]:
    """Declare all parameters of the table and return their values.

    Raises:
        ValueError: a parameter file of the command line does not fit, a parameter is given that the node does
            not have, or a value has another type or is outside its bounds; names it.
    """
    name = node.get_fully_qualified_name()
    for path in parameter_file.given(sys.argv):
        parameter_file.check(path, name, table)
    # rclpy tells what was given at the start only here: nodes ignore what they do not declare.
    given = node._parameter_overrides
    for parameter, value in given.items():
        if parameter in table:
            problem = table[parameter].problem(value.value)
            if problem:
                raise ValueError(f"{parameter} {problem}")
        elif not node.has_parameter(parameter) and not standard(parameter):
            raise ValueError(unknown("parameter", parameter, table))
    for parameter, entry in table.items():
        default = list(entry.default) if isinstance(entry.default, tuple) else entry.default
        node.declare_parameter(parameter, default, entry.descriptor(read_only))
    return {parameter: node.get_parameter(parameter).value for parameter in table}


def standard(name: str) -> bool:
    """Whether every ROS node has this parameter."""
    return name in ("use_sim_time", "start_type_description_service") or name.startswith("qos_overrides.")


def unknown(kind: str, name: str, known: Iterable[str], owner: str = "") -> str:
    """The sentence that refuses a name, with the nearest known one: `parameter 'seeed' is unknown, ...`."""
    near = difflib.get_close_matches(name, tuple(known), n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{kind} {name[:SHOWN_CHARACTERS]!r}{f' of {owner}' if owner else ''} is unknown{hint}"
