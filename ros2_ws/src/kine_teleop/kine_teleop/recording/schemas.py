"""Message definitions for the bags, and the few CDR bytes the recorder looks at."""

from __future__ import annotations

import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore


@cache
def typestore() -> Typestore:
    """Types of ROS 2 Jazzy; other packages are added by `definition` when asked for."""
    return get_typestore(Stores.ROS2_JAZZY)


def _add_package(package: str) -> None:
    store = typestore()
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        folder = Path(prefix) / "share" / package / "msg"
        if prefix and folder.is_dir():
            for file in sorted(folder.glob("*.msg")):
                name = f"{package}/msg/{file.stem}"
                if name not in store.fielddefs:
                    store.register(get_types_from_msg(file.read_text(encoding="utf-8"), name))
            return
    raise LookupError(f"no message definitions of package '{package}': is its workspace sourced?")


@cache
def definition(type_name: str) -> str:
    """Text of `package/msg/Name` with all types it contains, as an mcap schema of encoding `ros2msg`.

    Raises:
        LookupError: neither a standard type nor one of an installed package.
    """
    if type_name not in typestore().fielddefs:
        _add_package(type_name.split("/")[0])
    if type_name not in typestore().fielddefs:
        raise LookupError(f"message type '{type_name}' does not exist in its package")
    return typestore().generate_msgdef(type_name, ros_version=2)[0]


@cache
def type_hash(type_name: str) -> str:
    """REP 2011 hash of the type (`RIHS01_...`)."""
    definition(type_name)
    return typestore().hash_rihs01(type_name)


@cache
def has_header(type_name: str) -> bool:
    """Whether the message starts with `std_msgs/Header`."""
    first = definition(type_name).strip().splitlines()[0].split()
    return first[0] == "std_msgs/Header"


def header_stamp_ns(data: bytes) -> int:
    """Stamp of a serialised message that starts with a header, ns; nothing else is deserialised.

    Raises:
        ValueError: fewer than 12 bytes.
    """
    if len(data) < 12:
        raise ValueError(f"a message with a header has at least 12 bytes, this one has {len(data)}")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def serialise(message: Any, type_name: str) -> bytes:
    """CDR bytes of a message built from `typestore().types`."""
    return bytes(typestore().serialize_cdr(message, type_name))


def deserialise(data: bytes, type_name: str) -> Any:
    """Message from CDR bytes."""
    definition(type_name)
    return typestore().deserialize_cdr(data, type_name)
