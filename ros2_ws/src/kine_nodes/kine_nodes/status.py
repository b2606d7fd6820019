"""Values of a diagnostic status, whatever they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from diagnostic_msgs.msg import KeyValue

from kine_nodes.texts import printable

MAX_VALUES = 200
MAX_KEY = 128


def key_values(values: Mapping[str, Any]) -> list[KeyValue]:
    """Key and value pairs, in their order: printable, bounded, and not more than `MAX_VALUES`."""
    return [
        KeyValue(key=printable(key, MAX_KEY), value=printable(value))
        for key, value in islice(values.items(), MAX_VALUES)
    ]
