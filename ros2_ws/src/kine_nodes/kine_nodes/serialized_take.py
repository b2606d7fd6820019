"""Takes a serialised message from the middleware while other Python threads run.

rclpy copies a message twice with the interpreter locked: a hundred megabytes hold every thread up for half a
second, also one that has to stop an arm. The same call of rcl through ctypes leaves the interpreter free, and
a message that is too large is thrown away before Python sees any of it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_OK, _NOTHING_THERE = 0, 401


class _Allocator(ctypes.Structure):
    _fields_ = (("functions", ctypes.c_void_p * 4), ("state", ctypes.c_void_p))


class _Bytes(ctypes.Structure):
    """`rcutils_uint8_array_t`."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    )


@cache
def _libraries() -> tuple[Any, Any]:
    # rclpy has loaded both already; they are found by that name.
    rcl, rcutils = ctypes.CDLL("librcl.so"), ctypes.CDLL("librcutils.so")
    rcl.rcl_take_serialized_message.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    rcutils.rcutils_uint8_array_fini.argtypes = [ctypes.c_void_p]
    rcutils.rcutils_get_default_allocator.restype = _Allocator
    return rcl, rcutils


def take(subscription: Any, max_bytes: int) -> bytes | int | None:
    """The next message of an `rclpy.subscription.Subscription`, serialised.

    Returns:
        Its bytes; or how many they were, when more than `max_bytes`; or None when there is none.

    Raises:
        RuntimeError: rcl reports an error.
    """
    rcl, rcutils = _libraries()
    data = _Bytes(allocator=rcutils.rcutils_get_default_allocator())
    with subscription.handle:
        code = rcl.rcl_take_serialized_message(subscription.handle.pointer, ctypes.byref(data), None, None)
    try:
        if code == _NOTHING_THERE:
            return None
        if code != _OK:
            rcutils.rcutils_reset_error()
            raise RuntimeError(f"{subscription.topic_name}: rcl_take_serialized_message returned {code}")
        return int(data.length) if data.length > max_bytes else ctypes.string_at(data.buffer, data.length)
    finally:
        rcutils.rcutils_uint8_array_fini(ctypes.byref(data))
