"""Words for the numbers: SDK return codes, joint error bits and system error codes.

Source: the vendor's SDK manual and the error lists of its JSON protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .arm_model import JOINT_NAMES

# Stands for an error that is there but cannot be read.
UNREADABLE_ERROR = -1
# More errors at once than this are counted, not named.
MAX_NAMED = 8

_RETURN_CODES: dict[int, str] = {
    1: "the controller answered false (invalid value or arm in an error state)",
    -1: "sending failed, the link is gone",
    -2: "no answer in time",
    -3: "the answer could not be read",
    -4: "not supported by the controller, or timed out",
    -5: "arrival reported by another device, or timed out",
    -6: "the motion was stopped from outside",
}

_JOINT_ERROR_BITS: dict[int, str] = {
    0x0001: "FOC error",
    0x0002: "overvoltage",
    0x0004: "undervoltage",
    0x0008: "over-temperature",
    0x0010: "start failed",
    0x0020: "encoder error",
    0x0040: "overcurrent",
    0x0080: "software error",
    0x0100: "temperature sensor error",
    0x0200: "position out of limit",
    0x0400: "invalid joint id",
    0x0800: "position tracking error",
    0x1000: "current detection error",
    0x2000: "brake release failed",
    0x4000: "position command step",
    0x8000: "multi-turn count lost",
}

_SYSTEM_ERRORS: dict[int, str] = {
    0x1001: "joint communication error",
    0x1002: "target angle out of limit",
    0x1003: "point unreachable (singularity)",
    0x1004: "real-time kernel communication error",
    0x1005: "joint communication bus error",
    0x1006: "planning kernel error",
    0x1007: "joint overspeed",
    0x1008: "end interface board disconnected",
    0x1009: "speed limit exceeded",
    0x100A: "acceleration limit exceeded",
    0x100B: "joint brake not released",
    0x100C: "overspeed while dragged",
    0x100D: "collision",
    0x100E: "no such work frame",
    0x100F: "no such tool frame",
    0x1010: "joint disabled by an error",
    0x5003: "controller over-temperature",
    0x5005: "controller overcurrent",
    0x5006: "controller undercurrent",
    0x5007: "controller overvoltage",
}


def describe_return_code(code: int) -> str:
    """An SDK return code with its meaning, such as `-2 (no answer in time)`."""
    return f"{code} ({_RETURN_CODES.get(code, 'unknown return code')})"


def describe_joint_error(code: int) -> str:
    """A joint error word with the names of its bits, such as `0x0040 (overcurrent)`, of whatever width."""
    names = [name for bit, name in _JOINT_ERROR_BITS.items() if code & bit]
    unknown = code & ~sum(_JOINT_ERROR_BITS)
    if unknown:
        names.append(f"unknown joint error 0x{unknown:X}")
    return f"0x{code:04X} ({', '.join(names)})"


def describe_system_error(code: int) -> str:
    """A system error with its meaning, such as `0x100D (collision)`."""
    return f"0x{code:04X} ({_SYSTEM_ERRORS.get(code, 'unknown system error')})"


def describe_errors(joint_codes: Sequence[int], system_codes: Sequence[int]) -> tuple[str, ...]:
    """One text per error present, at most `MAX_NAMED` of the controller's own; empty when there is none.

    Args:
        joint_codes: 7 joint error words.
        system_codes: any number of system error codes, zeros mean none.
    """
    joints = [
        _reports(name, code, describe_joint_error)
        for name, code in zip(JOINT_NAMES, joint_codes, strict=True)
        if code
    ]
    present = [code for code in system_codes if code]
    system = [_reports("the controller", code, describe_system_error) for code in present[:MAX_NAMED]]
    if len(present) > MAX_NAMED:
        system.append(f"and {len(present) - MAX_NAMED} more errors")
    return (*joints, *system)


def _reports(who: str, code: int, describe: Callable[[int], str]) -> str:
    if code == UNREADABLE_ERROR:
        return f"{who} reports an error that cannot be read"
    return f"{who} reports error {describe(code)}"
