"""ROS parameters from the configuration dataclass: with description and bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kine_nodes import Parameter

from .config import DriverConfig


def _table() -> dict[str, Parameter]:
    table = {}
    for item in dataclasses.fields(DriverConfig):
        low, high = item.metadata["bounds"] or (None, None)
        default: Any = item.default
        default = list(default) if isinstance(default, tuple) else default
        table[item.name] = Parameter(default, item.metadata["description"], low, high)
    return table


TABLE = _table()


def read(values: Mapping[str, Any]) -> DriverConfig:
    """The configuration as the parameters say.

    Raises:
        ValueError: a value is not allowed; names it.
    """
    given: dict[str, Any] = {}
    for item in dataclasses.fields(DriverConfig):
        value = values[item.name]
        given[item.name] = tuple(value) if isinstance(item.default, tuple) else value
    return DriverConfig(**given)
