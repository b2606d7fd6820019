"""The stop without the SDK: one line over a TCP connection of its own.

For when the process that holds the SDK is dead, hangs, or its link is gone. The line is what the SDK sends
for `rm_set_arm_stop` (public JSON protocol of the controller; the same on both generations).
"""

from __future__ import annotations

import json
import socket
import time

STOP_LINE = b'{"command":"set_arm_stop"}\r\n'
CONFIRMED, SENDING_FAILED, NO_ANSWER, REFUSED = 0, -1, -2, 1


def send_raw_stop(ip: str, port: int, timeout_s: float) -> int:
    """Connect, send the stop, read until it is confirmed.

    Args:
        ip: address of the controller.
        port: its TCP port.
        timeout_s: for all of it.

    Returns:
        0 when the controller confirmed, 1 when it refused, -1 when the line could not be sent, -2 without an
        answer in time: the codes of the SDK.
    """
    end_s = time.monotonic() + timeout_s
    try:
        with socket.create_connection((ip, port), timeout=timeout_s) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(STOP_LINE)
            return _answer(connection, end_s)
    except OSError:
        return SENDING_FAILED


def _answer(connection: socket.socket, end_s: float) -> int:
    received = b""
    while (left_s := end_s - time.monotonic()) > 0.0:
        connection.settimeout(left_s)
        try:
            data = connection.recv(4096)
        except OSError:
            break
        if not data:
            break
        received += data
        *lines, received = received.split(b"\r\n")
        for line in lines:
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if isinstance(answer, dict) and "arm_stop" in answer:
                return CONFIRMED if answer["arm_stop"] is True else REFUSED
    return NO_ANSWER
