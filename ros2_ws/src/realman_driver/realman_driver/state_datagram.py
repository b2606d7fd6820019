"""Reads a state datagram of the controller from its bytes.

The vendor's SDK turns values that are missing, null, text or true into zeros without an error, keeps 24
errors of a list and 16 bits of a joint's error, and calls a motion it does not know idle. So the bytes are
read here: a value counts only when it is there and is what it should be.
"""

from __future__ import annotations

import json
import math
from typing import Any

from .arm_interface import RawState
from .arm_model import JOINT_COUNT, JOINT_NAMES
from .error_codes import UNREADABLE_ERROR

STATE_NAME = "realtime_arm_joint_state"
MAX_ERRORS = 100
MAX_STATUS_LENGTH = 40
UNREADABLE_STATUS = "a motion whose name cannot be read"


class _DefectError(ValueError):
    """The datagram does not hold what it should: a short rule name for counting and a text for people."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def read_state(data: bytes, sender_ip: str, arrived_monotonic_s: float, arrived_ros_ns: int) -> RawState:
    """One datagram as a `RawState`; never raises, a defect is noted in it.

    Args:
        data: the datagram.
        sender_ip: where it came from.
        arrived_monotonic_s: when, on the monotonic clock.
        arrived_ros_ns: when, ROS time, ns.
    """
    try:
        state = _object(data)
        joints = state.get("joint_status")
        if not isinstance(joints, dict):
            raise _DefectError("missing", f"joint_status is {_shown(joints)}, not an object")
        _numbers(joints, "joint_voltage")
        return RawState(
            sender_ip=sender_ip,
            position_rad=tuple(math.radians(v / 1000.0) for v in _numbers(joints, "joint_position")),
            current_a=tuple(v / 1e6 for v in _numbers(joints, "joint_current")),
            temperature_c=tuple(v / 1000.0 for v in _numbers(joints, "joint_temperature")),
            joint_enabled=_flags(joints, "joint_en_flag"),
            joint_error_codes=tuple(_code(value) for value in _seven(joints, "joint_err_code")),
            system_error_codes=_system_errors(state.get("err")),
            motion=_status(state.get("arm_current_status")),
            defect_rule="",
            defect="",
            arrived_monotonic_s=arrived_monotonic_s,
            arrived_ros_ns=arrived_ros_ns,
        )
    except _DefectError as error:
        return _defective(sender_ip, error, arrived_monotonic_s, arrived_ros_ns)


def _defective(sender_ip: str, error: _DefectError, monotonic_s: float, ros_ns: int) -> RawState:
    return RawState(
        sender_ip=sender_ip,
        position_rad=(),
        current_a=(),
        temperature_c=(),
        joint_enabled=(),
        joint_error_codes=(),
        system_error_codes=(),
        motion="",
        defect_rule=error.rule,
        defect=str(error),
        arrived_monotonic_s=monotonic_s,
        arrived_ros_ns=ros_ns,
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        state = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _DefectError("parse", f"{len(data)} bytes that are no JSON") from error
    if not isinstance(state, dict) or state.get("state") != STATE_NAME:
        raise _DefectError("parse", f"it is no {STATE_NAME}")
    return state


def _seven(joints: dict[str, Any], key: str) -> list[Any]:
    values = joints.get(key)
    if not isinstance(values, list):
        raise _DefectError("missing", f"{key} is {_shown(values)}, not a list of {JOINT_COUNT} values")
    if len(values) < JOINT_COUNT:
        names = ", ".join(JOINT_NAMES[len(values) :])
        raise _DefectError("missing", f"{key} has {len(values)} values: {names} missing")
    if len(values) > JOINT_COUNT:
        raise _DefectError("length", f"{key} has {len(values)} values, expected {JOINT_COUNT}")
    return values


def _numbers(joints: dict[str, Any], key: str) -> list[float]:
    values = _seven(joints, key)
    for name, value in zip(JOINT_NAMES, values, strict=True):
        if value is None:
            raise _DefectError("missing", f"{key}: {name} is null")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _DefectError("type", f"{key}: {name} is {_shown(value)}, not a number")
        # An integer may be too long for a float: it is compared as it is.
        if not (-1e12 < value < 1e12):
            raise _DefectError("finite", f"{key}: {name} is {_shown(value)}, no value of a joint")
    return [float(value) for value in values]


def _flags(joints: dict[str, Any], key: str) -> tuple[bool, ...]:
    values = _seven(joints, key)
    for name, value in zip(JOINT_NAMES, values, strict=True):
        if not (isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))):
            raise _DefectError("type", f"{key}: {name} is {_shown(value)}, neither 0 nor 1")
    return tuple(bool(value) for value in values)


def _code(value: Any) -> int:
    """An error word as it is, of whatever width; one that cannot be read is an error too."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        return UNREADABLE_ERROR
    return value


def _system_errors(value: Any) -> tuple[int, ...]:
    """All errors of the list once each; a list that is empty or none at all says nothing: an error too."""
    if not isinstance(value, list) or not value:
        return (UNREADABLE_ERROR,)
    codes = dict.fromkeys(map(_code, value))
    return tuple(code for code in codes if code)[:MAX_ERRORS]


def _status(value: Any) -> str:
    """What the controller says it is doing; empty when it says nothing."""
    if value is None:
        return ""
    if (
        isinstance(value, str)
        and 0 < len(value) <= MAX_STATUS_LENGTH
        and value.isascii()
        and value.isprintable()
    ):
        return value
    return UNREADABLE_STATUS


def _shown(value: Any) -> str:
    """A value for people: what kind it is, and itself when it is short and printable."""
    if value is None:
        return "missing"
    if isinstance(value, bool | int | float):
        text = "a long integer" if isinstance(value, int) and abs(value) > 10**15 else repr(value)
        return text
    return {"str": "text", "list": "a list", "dict": "an object"}.get(type(value).__name__, "something else")
