"""How the node and the process that holds the SDK talk: four local sockets that keep message borders.

One per kind, so that no kind waits for another: frames of the stream, stops, requests, and what the arm says.
Both ends are this package's own code, started together; a closed socket means that the other end has died.
"""

from __future__ import annotations

import io
import marshal
import pickle
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from typing import Any

from . import arm_interface
from .arm_interface import RawState
from .arm_model import JOINT_COUNT

MAX_MESSAGE_BYTES = 65536
_FRAME = struct.Struct(f"<Q{JOINT_COUNT}d")
_FRAME_ANSWER = struct.Struct("<Qi")
_STOP = struct.Struct("<QQ")
STATE, EVENT = 0, 1
# Answer to a frame that a stop has overtaken: it was not sent, and that is no failure of the link.
VOID_FRAME = 1000


@dataclass(frozen=True)
class Sockets:
    """One end of the four sockets."""

    frames: socket.socket
    stops: socket.socket
    requests: socket.socket
    news: socket.socket

    def descriptors(self) -> tuple[int, int, int, int]:
        """Their file descriptors, in the order of `from_descriptors`."""
        return self.frames.fileno(), self.stops.fileno(), self.requests.fileno(), self.news.fileno()

    def close(self) -> None:
        """Close all; a thread that waits in one of them wakes up."""
        for one in (self.frames, self.stops, self.requests, self.news):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def pair() -> tuple[Sockets, Sockets]:
    """Both ends."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(4)]
    return Sockets(*(p[0] for p in pairs)), Sockets(*(p[1] for p in pairs))


def from_descriptors(descriptors: list[int]) -> Sockets:
    """The end that was handed to this process."""
    return Sockets(*(socket.socket(fileno=number) for number in descriptors))


def pack_frame(number: int, position_rad: tuple[float, ...]) -> bytes:
    """A frame of 7 angles (rad) with its number."""
    return _FRAME.pack(number, *position_rad)


def unpack_frame(data: bytes) -> tuple[int, tuple[float, ...]]:
    """Number and angles of a frame."""
    number, *angles = _FRAME.unpack(data)
    return number, tuple(angles)


def pack_frame_answer(number: int, code: int) -> bytes:
    """What became of a frame."""
    return _FRAME_ANSWER.pack(number, code)


def unpack_frame_answer(data: bytes) -> tuple[int, int]:
    """Number of the frame and its return code."""
    number, code = _FRAME_ANSWER.unpack(data)
    return number, code


def pack_stop(number: int, last_frame: int) -> bytes:
    """A stop with its number; frames up to `last_frame` that are still under way are void."""
    return _STOP.pack(number, last_frame)


def unpack_stop(data: bytes) -> tuple[int, int]:
    """Number of the stop and of the last frame before it."""
    number, last_frame = _STOP.unpack(data)
    return number, last_frame


def pack_state(raw: RawState) -> bytes:
    """A datagram of the arm; the ROS time of its arrival is left to the reader."""
    values = (
        raw.sender_ip,
        raw.position_rad,
        raw.current_a,
        raw.temperature_c,
        raw.joint_enabled,
        raw.joint_error_codes,
        raw.system_error_codes,
        raw.motion,
        raw.defect_rule,
        raw.defect,
        raw.arrived_monotonic_s,
    )
    return marshal.dumps((STATE, values))


def pack_event(device: int, success: bool) -> bytes:
    """An arrival event of the arm."""
    return marshal.dumps((EVENT, (device, success)))


class _PlainUnpickler(pickle.Unpickler):
    """Takes numbers, texts, tuples and the records of `arm_interface`; anything else is no answer."""

    def find_class(self, module: str, name: str) -> Any:
        found = getattr(arm_interface, name, None) if module == arm_interface.__name__ else None
        if not (isinstance(found, type) and is_dataclass(found)):
            raise ValueError(f"an answer holds {module}.{name}, which is no record of the arm")
        return found


def pack_answer(number: int, kind: str, value: Any) -> bytes:
    """The answer to a request: 'ok' with its value, or a kind of error with its text."""
    return pickle.dumps((number, kind, value))


def unpack_answer(data: bytes) -> tuple[int, str, Any]:
    """Number, kind and value of an answer. Nothing of what the SDK's process sends is run here.

    Raises:
        ValueError: no answer.
    """
    try:
        number, kind, value = _PlainUnpickler(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"an answer of {len(data)} bytes cannot be read: {error}") from error
    return number, kind, value


def unpack_news(data: bytes) -> tuple[int, tuple[Any, ...]]:
    """STATE or EVENT, and its values."""
    kind, values = marshal.loads(data)
    return kind, values
