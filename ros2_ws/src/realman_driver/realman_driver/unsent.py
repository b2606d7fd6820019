"""Throws away what this process has written to the controller but the network has not taken yet.

Frames wait in the kernel while the network is down, and `close` goes on delivering them for minutes: they
would reach the arm when the network is back, behind the stop that a fresh connection brought. A connection
that is reset instead of closed forgets them.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
import termios
from contextlib import suppress
from pathlib import Path

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


def discard_on_close(ip: str, port: int) -> int:
    """Let the next `close` of each TCP connection to an address discard what is not acknowledged.

    The vendor's SDK keeps its sockets to itself, so they are looked for among those of the process. One with
    nothing left to send stays as it is and closes politely.

    Args:
        ip: IPv4 address of the controller.
        port: its TCP port.

    Returns:
        Bytes that will not be sent.
    """
    bytes_left = 0
    for entry in Path("/proc/self/fd").iterdir():
        # Of another family, not connected, or closed meanwhile.
        with suppress(OSError), _copy_of(int(entry.name)) as connection:
            if connection.family != socket.AF_INET or connection.getpeername() != (ip, port):
                continue
            left = _unacknowledged_bytes(connection)
            if left:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                bytes_left += left
    return bytes_left


def _copy_of(descriptor: int) -> socket.socket:
    """The socket behind a descriptor of somebody else, under a descriptor of our own. Raises OSError."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(f"descriptor {descriptor} is no socket")
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _unacknowledged_bytes(connection: socket.socket) -> int:
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
