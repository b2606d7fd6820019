"""Settings and descriptions in files of others: read up to a bound, and without what makes a small file huge.

A YAML file of a kilobyte can stand for gigabytes by references to itself, and any text can be nested until
its reader runs out of stack. The bounds are far above what people write.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

MAX_JSON_BYTES = 4 << 20
MAX_YAML_BYTES = 256 << 10
MAX_YAML_DEPTH = 32
MAX_VALUE_CHARS = 100
"""Of a number, date or the like; texts may be longer."""


def read_bounded(path: Path, bound: int) -> bytes:
    """The content of a file of at most `bound` bytes.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger; the text names size and bound.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > bound:
            raise ValueError(f"it has {size} bytes, the bound is {bound}")
        return stream.read(size)


def read_json(path: Path, bound: int = MAX_JSON_BYTES) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: no JSON, no UTF-8, nested too deep, or too large.
    """
    try:
        return json.loads(read_bounded(path, bound).decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML (or JSON) file of plain values.

    Raises:
        OSError: it cannot be read.
        ValueError: no YAML, a reference, nested too deep, or too large.
    """
    return parse_yaml(read_bounded(path, MAX_YAML_BYTES))


def parse_yaml(text: str | bytes) -> Any:
    """The content of a YAML text of plain values.

    Raises:
        ValueError: as `read_yaml`.
    """
    if len(text) > MAX_YAML_BYTES:
        raise ValueError(f"it has {len(text)} bytes, the bound is {MAX_YAML_BYTES}")
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split()) or "it is nested too deep") from error


class _PlainLoader(yaml.SafeLoader):
    """A safe loader without references, and with bounds."""

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(
                f"it holds a reference (*{self.peek_event().anchor:.40}): write the value out"
            )
        self._depth += 1
        if self._depth > MAX_YAML_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_YAML_DEPTH} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":str"):
            size = len(node.value)
            if size > MAX_VALUE_CHARS:
                raise yaml.YAMLError(f"a value has {size} characters, the bound is {MAX_VALUE_CHARS}")
        return node
