"""Joint states, chunks, images and plans out of CDR bytes that may be longer than the message.

What `serialize_message` of newer Fast DDS returns, and so what scripts write into bags, can have unused bytes
behind the message: many where sequences are empty, as in joint states without velocities. `rosbags` takes
such a message for damaged, so its readers are called without that check. Only the fields that are used are
declared; what comes behind them is not looked at.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Literal

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from kinevla.data.packing import DataError

Kind = Literal["JointState", "JointTrajectory", "Image", "CompressedImage", "BiLevelPlan"]
NS_PER_S = 1_000_000_000
_ENCAPSULATION_BYTES = 4
_FIELDS: dict[Kind, str] = {
    "JointState": "string[] name\nfloat64[] position",
    "JointTrajectory": "string[] joint_names\ntrajectory_msgs/JointTrajectoryPoint[] points",
    "Image": "uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data",
    "CompressedImage": "string format\nuint8[] data",
    "BiLevelPlan": (
        "string instruction\nuint64 instruction_id\nuint32 chunk_id\nbool awaiting_approval\n"
        "string goal_reasoning\nstring kinematics_reasoning"
    ),
}


@lru_cache(maxsize=1)
def _store() -> Any:
    store = get_typestore(Stores.LATEST)
    for kind, fields in _FIELDS.items():
        store.register(get_types_from_msg(f"std_msgs/Header header\n{fields}", f"kinevla/msg/{kind}"))
    return store


def read_message(data: bytes, kind: Kind) -> Any:
    """Read a message; its fields are attributes, arrays of numbers are NumPy's.

    Raises:
        DataError: no such message.
    """
    try:
        if len(data) < _ENCAPSULATION_BYTES or data[0] or data[1] > 1:
            raise ValueError("it does not begin with a CDR header")
        known = _store().get_msgdef(f"kinevla/msg/{kind}")
        read = known.deserialize_cdr_le if data[1] else known.deserialize_cdr_be
        body = data[_ENCAPSULATION_BYTES:]
        message, end = read(body, 0, known.cls, _store())
        if end > len(body):
            raise ValueError("it ends too early")
        return message
    except (SerdeError, struct.error, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"a message of {len(data)} bytes is no {kind}: {error}") from error
