"""A recorded episode as a stream of things to look at, for a viewer such as Rerun."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from kine_nodes.image_conversion import ImageError, image_to_rgb
from kinevla.bounded import printable
from kinevla.data.bags import open_bag
from kinevla.data.packing import DataError

CAMERAS = ("front", "wrist")
_TABLE = json.loads((Path(__file__).parent / "data" / "rm75.json").read_text(encoding="utf-8"))


class BagError(ValueError):
    """A bag that cannot be shown; the text names it and the reason."""


@dataclass(frozen=True)
class Picture:
    """A camera image: (height, width, 3) uint8 RGB, or the bytes of a jpeg."""

    name: str
    pixels: NDArray[np.uint8] | None
    jpeg: bytes = b""


@dataclass(frozen=True)
class Value:
    """One number of a curve; `name` is a path such as `joints/joint_1`, with the unit where it has one."""

    name: str
    value: float


@dataclass(frozen=True)
class Text:
    """A text that holds from now on."""

    name: str
    text: str


@dataclass(frozen=True)
class Line:
    """The arm as a line through its joints to the tool centre: (9, 3) in m, in the base frame."""

    name: str
    points_m: NDArray[np.float64]


Item = Picture | Value | Text | Line


def arm_line(joints_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Base, seven joint origins and tool centre for seven joint positions: (9, 3), m."""
    rotation, position = np.eye(3), np.zeros(3)
    points = [position]
    for joint, angle_rad in zip(_TABLE["joints"], joints_rad, strict=True):
        position = position + rotation @ np.array(joint["origin_m"])
        rotation = rotation @ _turn((1.0, 0.0, 0.0), joint["roll_rad"]) @ _turn(joint["axis"], angle_rad)
        points.append(position)
    points.append(position + _TABLE["tool_m"] * rotation[:, 2])
    return np.array(points)


def _turn(axis: Any, angle_rad: float) -> NDArray[np.float64]:
    """Rotation about a unit axis (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross


def items(bag: Path) -> Iterator[tuple[int, Item]]:
    """Everything in the bag that can be shown, with its time of receipt in ns, in the order of the bag.

    A message that cannot be read becomes a text that says so.

    Raises:
        BagError: there is no bag, or it cannot be read.
    """
    try:
        with open_bag(bag) as opened:
            shown = {name: item for name, item in opened.topics.items() if item.type in _TAKERS}
            stores = {name: _types(item.type, item.definition) for name, item in shown.items()}
            for raw in opened.messages(tuple(shown)):
                try:
                    message = stores[raw.topic].deserialize_cdr(raw.data, raw.type)
                    for item in _TAKERS[raw.type](raw.topic, message):
                        yield raw.received_ns, item
                except Exception as error:  # a damaged message makes the parser raise what it likes
                    yield raw.received_ns, Text(f"errors{raw.topic}", printable(error))
    except (DataError, OSError) as error:
        raise BagError(f"bag {bag} cannot be read: {error}") from None


def _types(kind: str, definition: str) -> Any:
    """The types of ROS, and of a message of another package what its bag says it is."""
    store = get_typestore(Stores.ROS2_JAZZY)
    if kind not in store.fielddefs and definition:
        with suppress(Exception):  # a definition that cannot be parsed: its messages are told one by one
            found = get_types_from_msg(definition, kind)
            store.register({name: fields for name, fields in found.items() if name not in store.fielddefs})
    return store


def _image(topic: str, message: Any) -> Iterator[Item]:
    try:
        yield Picture(topic.strip("/").split("/")[0], image_to_rgb(message))
    except ImageError as error:
        yield Text(f"errors{topic}", str(error))


def _compressed(topic: str, message: Any) -> Iterator[Item]:
    yield Picture(topic.strip("/").split("/")[0], None, bytes(message.data))


def _joints(topic: str, message: Any) -> Iterator[Item]:
    group = "joints" if topic == "/joint_states" else topic.strip("/")
    by_name = dict(zip(message.name, (float(v) for v in message.position), strict=False))
    for name, value in by_name.items():
        yield Value(f"{group}/{name}", value)
    joints = [by_name.get(joint["name"], np.nan) for joint in _TABLE["joints"]]
    if group == "joints" and np.isfinite(joints).all():
        yield Line("arm", arm_line(np.array(joints)))


def _plan(topic: str, message: Any) -> Iterator[Item]:
    state = "checked and kept" if message.reasoning_state else "written anew"
    yield Text(
        "plan",
        f"**{message.instruction}** (chunk {message.chunk_id}, reasoning {state})\n\n"
        f"Goal: {message.goal_reasoning} `{' '.join(map(str, message.goal_codes))}`\n\n"
        f"Kinematics: {message.kinematics_reasoning} `{' '.join(map(str, message.kinematics_codes))}`",
    )
    for part in ("vision", "generation", "decoder", "total"):
        yield Value(f"latency_s/{part}", float(getattr(message, f"latency_{part}_s")))
    yield Value("latency_s/observation_age", float(message.observation_age_s))


def _diagnostics(topic: str, message: Any) -> Iterator[Item]:
    for status in message.status:
        lines = [f"**{status.message}**", *(f"- {pair.key}: {pair.value}" for pair in status.values)]
        yield Text(f"diagnostics/{status.name.replace(': ', '/')}", "\n".join(lines))


_TAKERS = {
    "sensor_msgs/msg/Image": _image,
    "sensor_msgs/msg/CompressedImage": _compressed,
    "sensor_msgs/msg/JointState": _joints,
    "kine_msgs/msg/BiLevelPlan": _plan,
    "diagnostic_msgs/msg/DiagnosticArray": _diagnostics,
}
