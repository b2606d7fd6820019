"""The UDP socket the controller sends its state to, and the thread that reads it.

Not the SDK's: what that delivers is no longer what the controller said (`state_datagram`), and it delivers
nothing while a request hangs.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .arm_interface import ArmError

Datagram = Callable[[bytes, str, float], None]
"""Takes a datagram, the address it came from and the monotonic time of its arrival."""

MAX_BYTES = 65536
# How long the end of the thread may take.
_POLL_S = 0.2
# Linux: the kernel stamps each datagram on the wall clock, as seconds and nanoseconds.
_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("@ll")
# A longer wait is none: the clock was set between arrival and reading.
_LONGEST_WAIT_S = 1.0


class StateReceiver:
    """Receives datagrams from anybody; who reads them looks at the sender.

    Args:
        on_datagram: called in the thread of this object.
    """

    def __init__(self, on_datagram: Datagram) -> None:
        self._on_datagram = on_datagram
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._newest_s = 0.0

    def listen(self, port: int) -> int:
        """Listen on `port` (0: a free one), or go on listening; the port.

        Raises:
            ArmError: another socket holds the port; names it.
        """
        if self._socket is not None:
            return int(self._socket.getsockname()[1])
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            one.bind(("0.0.0.0", port))
        except OSError as error:
            one.close()
            raise ArmError(
                f"UDP port {port} is already in use on this computer ({error.strerror}); "
                "set udp_port to a free one or to 0"
            ) from error
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        one.settimeout(_POLL_S)
        self._socket = one
        self._thread = threading.Thread(target=self._read, args=(one,), name="realman-state", daemon=True)
        self._thread.start()
        return int(one.getsockname()[1])

    def close(self) -> None:
        """Listen no more; harmless when it does not."""
        one, self._socket = self._socket, None
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0 * _POLL_S)
        if one is not None:
            one.close()

    def _read(self, one: socket.socket) -> None:
        while self._socket is one:
            try:
                data, ancillary, _flags, sender = one.recvmsg(MAX_BYTES, 64)
            except TimeoutError:
                continue
            except OSError:
                if self._socket is one:  # nobody has closed it: an arm that is not heard is no quiet arm
                    raise
                return
            # A datagram that waited, since this computer was busy, is as old as it is. Time never goes back.
            arrived_s = time.monotonic() - waited_s(ancillary, time.time_ns())
            self._newest_s = max(self._newest_s, arrived_s)
            self._on_datagram(data, str(sender[0]), self._newest_s)


def waited_s(ancillary: Sequence[tuple[int, int, bytes]], now_ns: int) -> float:
    """How long a datagram has waited to be read, s; 0 when that is not known.

    Args:
        ancillary: what came with it.
        now_ns: the wall clock's time, ns.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data[: _STAMP.size])
            wait_s = (now_ns - seconds * 1_000_000_000 - nanoseconds) * 1e-9
            return wait_s if 0.0 <= wait_s <= _LONGEST_WAIT_S else 0.0
    return 0.0
