"""UDP state pushes: one datagram per period to the configured receiver."""

from __future__ import annotations

import asyncio
import socket

from .core import Core
from .faults import Faults
from .protocol import MAX_DATAGRAM_BYTES

_IDLE_POLL_S = 0.02
# After a stall the pushes go on from now instead of catching up in a burst.
_MAX_LATE_S = 0.1


class StatePusher:
    """Sends the realtime state while pushes are enabled.

    The source address is the controller's own, because the SDK tells arms apart by the sender.
    """

    def __init__(self, core: Core, faults: Faults, host: str) -> None:
        self._core = core
        self._faults = faults
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self._sent = 0
        self._failing = False

    @property
    def sent(self) -> int:
        """Number of datagrams sent."""
        return self._sent

    async def run(self) -> None:
        """Push until cancelled."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            push = self._core.settings.push
            if not push.enable or self._faults.frozen:
                await asyncio.sleep(_IDLE_POLL_S)
                next_s = loop.time()
                continue
            self._send(push.ip, push.port)
            next_s = max(next_s + push.period_s, loop.time() - _MAX_LATE_S)
            await asyncio.sleep(max(0.0, next_s - loop.time()))

    def _send(self, ip: str, port: int) -> None:
        datagram = self._faults.distort_push(self._core.realtime_state())
        if not datagram:
            return
        if len(datagram) >= MAX_DATAGRAM_BYTES:
            raise ValueError(f"push of {len(datagram)} bytes must stay below {MAX_DATAGRAM_BYTES} bytes")
        try:
            self._socket.sendto(datagram, (ip, port))
        except OSError as error:
            # No listener, no route or a full buffer: a real controller loses the datagram too.
            if not self._failing:
                self._core.log.note(f"state push to {ip}:{port} failed: {error}")
            self._failing = True
        else:
            self._sent += 1
            self._failing = False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
