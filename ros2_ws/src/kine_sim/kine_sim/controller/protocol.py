"""Framing and units of the Realman wire: JSON lines ended by CR LF, integers in thousandths."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE_END = b"\r\n"
MAX_ANSWER_BYTES = 1024
"""An answer must stay below this: the vendor SDK 1.1.6 overruns its stack on about 1.1 kB."""
MAX_REQUEST_BYTES = 64 * 1024
MAX_WIRE_NUMBER = 2**31
MAX_DATAGRAM_BYTES = 2048
"""A push must stay below this: the SDK rejects longer datagrams with error code -3."""


class RequestTooLongError(ValueError):
    """A client sent more than `MAX_REQUEST_BYTES` without a line end."""


class AnswerTooLongError(ValueError):
    """The controller composed an answer the SDK would crash on."""


class LineSplitter:
    """Collects received bytes and yields complete lines."""

    def __init__(self, max_bytes: int = MAX_REQUEST_BYTES) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[str]:
        """Add bytes and return the complete lines, without line ends and blank lines.

        Raises:
            RequestTooLongError: a line exceeds the bound.
        """
        self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        longest = max((len(part) for part in (*lines, rest)), default=0)
        if longest > self._max_bytes:
            raise RequestTooLongError(f"request line of {longest} bytes exceeds {self._max_bytes} bytes")
        self._buffer = bytearray(rest)
        texts = (line.rstrip(b"\r").decode("utf-8", "replace") for line in lines)
        return [text for text in texts if text.strip()]


def parse_request(line: str) -> dict[str, Any]:
    """Parse one request line.

    Raises:
        ValueError: not JSON, or not an object with a text under `command`.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"request is not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("command"), str):
        raise ValueError("request is not a JSON object with a text under 'command'")
    return value


def encode_answer(message: dict[str, Any]) -> bytes:
    """Encode an answer or event as one line.

    Raises:
        AnswerTooLongError: the line would have `MAX_ANSWER_BYTES` bytes or more.
    """
    line = json.dumps(message, separators=(",", ":")).encode() + LINE_END
    if len(line) >= MAX_ANSWER_BYTES:
        raise AnswerTooLongError(f"answer of {len(line)} bytes must stay below {MAX_ANSWER_BYTES} bytes")
    return line


def thousandths(values: Iterable[float] | NDArray[np.float64]) -> list[int]:
    """Round to integers of 0.001: degrees to the wire's joint unit, radians to its Euler unit, and so on."""
    return [round(float(v) * 1000.0) for v in values]


def joints_to_wire(q_rad: NDArray[np.float64]) -> list[int]:
    """Joint angles (7,) rad to integers of 0.001 degree."""
    return thousandths(np.degrees(q_rad))


def joints_from_wire(values: Any) -> NDArray[np.float64]:
    """Joint values of a request to radians, shape (7,).

    Raises:
        ValueError: not exactly seven numbers.
    """
    return np.radians(numbers(values, 7, "joint") / 1000.0)


def numbers(values: Any, count: int, name: str) -> NDArray[np.float64]:
    """Check that `values` is a list of `count` numbers of at most 32 bits and return it, shape (count,).

    Raises:
        ValueError: naming the field and what was wrong.
    """
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"'{name}' must be a list of {count} numbers, got {values!r}")
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise ValueError(f"'{name}' must hold numbers only, got {values!r}")
    if not all(abs(v) <= MAX_WIRE_NUMBER for v in values):  # also refuses NaN
        raise ValueError(f"'{name}' must hold numbers within +-{MAX_WIRE_NUMBER}, got {str(values)[:200]}")
    return np.array(values, dtype=float)


def integer(request: dict[str, Any], name: str, low: int, high: int) -> int:
    """Integer field of a request within [low, high].

    Raises:
        ValueError: missing, not an integer, or out of range.
    """
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"'{name}' must be an integer in {low}..{high}, got {str(value)[:100]}")
    return value
