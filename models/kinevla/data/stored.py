"""What a file of a recording gives: topics and messages, nothing decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kinevla.bounded import MIB

MAX_CHUNK_BYTES = 1024 * MIB


@dataclass(frozen=True)
class Stored:
    """One message as it lies in a file: topic, type, time of recording in ns, bytes."""

    topic: str
    type: str
    received_ns: int
    data: bytes


@dataclass
class Topic:
    """What a file tells of a topic."""

    type: str  # message type, such as sensor_msgs/msg/Image
    serialization: str  # "cdr" for everything ROS 2 writes
    definition: str = ""  # text of the type in the `.msg` format; empty where there is none
    messages: int = 0


class MessageFile(Protocol):
    """An open file of a recording.

    Attributes:
        topics: what it holds, by name.
        cut_off: after its messages were read, in words where it ends too early; "" where it is whole.
    """

    topics: dict[str, Topic]
    cut_off: str

    def messages(self, topics: frozenset[str]) -> Iterator[Stored]:
        """Yield the messages of some topics as they lie in the file: sorted by time, a clock that was set
        would not be seen any more."""
