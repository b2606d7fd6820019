"""A cable between two TAP devices that keeps every packet back: `link_relay.py TAP TAP SECONDS`.

Prints `ready` when both devices exist; they may then be moved into other network namespaces. Ends on SIGTERM,
and the devices with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
LONGEST_PACKET = 2048


def open_tap(name: str) -> int:
    """Make a TAP device that lives as long as the returned file descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def relay(first: int, second: int, delay_s: float) -> None:
    """Carry packets both ways for ever; a packet the other side cannot take is lost, as on a cable."""
    other = {first: second, second: first}
    waiting: deque[tuple[float, int, bytes]] = deque()  # one delay for all: the oldest is due first
    poll = select.epoll()
    for tap in other:
        poll.register(tap, select.EPOLLIN)
    while True:
        pause_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else -1
        for tap, _ in poll.poll(pause_s):
            try:
                while True:
                    packet = os.read(tap, LONGEST_PACKET)
                    waiting.append((time.monotonic() + delay_s, other[tap], packet))
            except BlockingIOError:
                pass
        now_s = time.monotonic()
        while waiting and waiting[0][0] <= now_s:
            _, target, packet = waiting.popleft()
            with contextlib.suppress(OSError):  # the device is not up (yet), or its queue is full
                os.write(target, packet)


if __name__ == "__main__":
    taps = open_tap(sys.argv[1]), open_tap(sys.argv[2])
    print("ready", flush=True)
    relay(*taps, float(sys.argv[3]))
