"""A ROS domain of its own on this computer, for simulations and tests: no robot hears them, nor they one."""

from __future__ import annotations

import os
import random
import re
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

# Domain n has the UDP ports from 7400 + 250 n on; above 101 they clash with ephemeral ones. A robot's domain
# is seldom among these: people count from 0.
FIRST, LAST = 40, 99
FIRST_PORT, PORTS = 7400, 250
# Of a domain's ports the middleware takes the first two and those from 10 on.
LOCK_OFFSET = 2
SHARED_MEMORY = Path("/dev/shm")
# The domain that the environment named before one was taken, for those that take a second one.
OUTER = "KINE_OUTER_ROS_DOMAIN_ID"


class OwnDomain:
    """A domain that nobody else on this computer has, held until `close` or the end of this program.

    While it is held, the environment of this program and its children names it, and only this computer is
    searched for nodes, whatever `ROS_DOMAIN_ID` and its like said before; `close` puts them back.

    Raises:
        RuntimeError: all domains are taken.
    """

    def __init__(self) -> None:
        self.number, self._lock = _take()
        own = {
            "ROS_DOMAIN_ID": str(self.number),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_STATIC_PEERS": "",
            OUTER: _outer(),
        }
        self._before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)

    def close(self) -> None:
        """Give the domain back; safe to call twice."""
        self._lock.close()
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._before = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _outer() -> str:
    return os.environ.get(OUTER) or os.environ.get("ROS_DOMAIN_ID", "")


def _take() -> tuple[int, socket.socket]:
    """A domain and the socket that locks it: the kernel gives the port to one program, and takes it back."""
    numbers = [number for number in range(FIRST, LAST + 1) if str(number) != _outer()]
    random.SystemRandom().shuffle(numbers)
    # Nodes run there, or have left memory that this user may not open.
    busy = {(port - FIRST_PORT) // PORTS for port in _udp_ports() | _ports_of_others()}
    for number in numbers:
        if number in busy:
            continue
        lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            lock.bind(("127.0.0.1", FIRST_PORT + PORTS * number + LOCK_OFFSET))
        except OSError:
            lock.close()
            continue
        return number, lock
    raise RuntimeError(f"no ROS domain from {FIRST} to {LAST} is free on this computer")


def _ports_of_others() -> set[int]:
    """The ports for which Fast DDS has shared memory of another user, that of killed nodes included."""
    ports = set()
    for file in SHARED_MEMORY.glob("*fastrtps_port*"):
        found = re.search(r"fastrtps_port(\d+)", file.name)
        with suppress(OSError):  # gone meanwhile
            if found and file.stat().st_uid != os.geteuid():
                ports.add(int(found[1]))
    return ports


def _udp_ports() -> set[int]:
    """The UDP ports that programs on this computer have bound, of whatever user."""
    tables = [Path("/proc/net") / name for name in ("udp", "udp6")]
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
