"""Parameter files, read as ROS reads them, but with nothing passed over: a file that does not fit is refused.

ROS itself ignores sections of other nodes, so that a mistyped node name leaves a node on its defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from kine_nodes.parameters import Parameter

MAX_BYTES = 262_144
ROOT_KEY = "ros__parameters"
YES = ("y", "yes", "true", "on")
NO = ("n", "no", "false", "off")
PLAIN, QUOTED = "plain", "quoted"
Sections = list[tuple[str, dict[str, Any]]]


class _Loader(yaml.BaseLoader):
    """Leaves the types of values to `_scalar`."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Whether a value stands there without quotes."""
        return PLAIN if kind is yaml.ScalarNode and implicit[0] else QUOTED


def given(argv: Sequence[str]) -> list[str]:
    """The parameter files of a command line with `--ros-args`."""
    files: list[str] = []
    ours = False
    for here, following in zip(argv, [*argv[1:], ""], strict=True):
        if here in ("--ros-args", "--"):
            ours = here == "--ros-args"
        elif ours and here == "--params-file":
            files.append(following)
    return files


def read(path: str) -> Sections:
    """The sections of a file: name of the nodes it is for (`/kinevla`, `/**`), and its values by name.

    Raises:
        ValueError: it cannot be read, is no YAML, or is not laid out as a parameter file; names it.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"parameter file {path}: {reason}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"parameter file {path}: has more than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
            raise ValueError("aliases (*name) are not allowed")
        sections = list(_sections(yaml.compose(text, _Loader), ""))
        if not sections:
            raise ValueError(f"has no '<node>: {ROOT_KEY}:'")
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"parameter file {path}: {reason}") from None
    return sections


def applies(section: str, node: str) -> bool:
    """Whether a section is for a node, given with its namespace (`/kinevla`)."""
    pattern = ""
    for part in section.strip("/").split("/"):
        pattern += {"**": r"(/\w+)*", "*": r"/\w+"}.get(part, "/" + re.escape(part))
    return re.fullmatch(pattern, node) is not None


def check(path: str, node: str, table: Mapping[str, Parameter]) -> None:
    """Refuse a file that does not fit a node.

    Args:
        path: of the file.
        node: with its namespace, e.g. `/realman_driver`.
        table: the node's parameters.

    Raises:
        ValueError: unreadable, without a section for the node, or with a value or a name that the node does
            not take; one line that names file, parameter, value and bound.
    """
    from kine_nodes.parameters import standard, unknown

    sections = read(path)
    mine = [values for section, values in sections if applies(section, node)]
    if not mine:
        names = ", ".join(repr(section[:60]) for section, _ in sections[:5])
        raise ValueError(f"parameter file {path}: is not for {node}, but for {names}")
    for name, value in ((name, value) for values in mine for name, value in values.items()):
        if name in table:
            problem = table[name].problem(value)
            if problem:
                raise ValueError(f"parameter file {path}: {name} {problem}")
        elif not standard(name):
            raise ValueError(f"parameter file {path}: {unknown('parameter', name, table, node)}")


def _sections(node: yaml.Node | None, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in _pairs(node, name or "the file"):
        if key == ROOT_KEY:
            yield name or "/", dict(_values(value, ""))
        else:
            yield from _sections(value, f"{name}/{key.strip('/')}")


def _pairs(node: yaml.Node | None, what: str) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{what[:60]!r} is no mapping of names to values")
    seen = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"line {line}: a name is wanted")
        if key.value in seen:
            raise ValueError(f"line {line}: {key.value[:60]!r} is given twice")
        seen.add(key.value)
        yield key.value, value


def _values(node: yaml.Node, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in _pairs(node, prefix or ROOT_KEY):
        if isinstance(value, yaml.MappingNode):
            yield from _values(value, f"{prefix}{key}.")
        elif isinstance(value, yaml.SequenceNode):
            yield prefix + key, [_scalar(item) for item in value.value]
        else:
            yield prefix + key, _scalar(value)


def _scalar(node: yaml.Node) -> bool | int | float | str:
    """A value with the type that ROS gives it; its rules are not quite those of YAML (1e-3 is a number)."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"line {line}: a list may hold only single values")
    text = str(node.value)
    if node.tag in (QUOTED, "tag:yaml.org,2002:str"):
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        raise ValueError(f"line {line}: there is no value")
    if text.lower() in YES + NO and text in (text.lower(), text.title(), text.upper()):
        return text.lower() in YES
    if not text.isascii() or "_" in text:
        return text
    number = re.sub(r"^([+-]?)\.(inf|nan)$", r"\1\2", text.lower())
    for convert in (lambda t: int(t, 0), lambda t: int(t, 8), float):
        try:
            return convert(number)
        except ValueError:
            continue
    return text
