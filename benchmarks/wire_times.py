"""When each frame of the joint stream was on the wire, by the kernel's clock.

A process that notes the arrival of a frame notes its own delay too, and on two cores beside a simulator and a
policy that is most of it. Here the kernel stamps the packets (AF_PACKET, as tcpdump does; root is needed).
"""

from __future__ import annotations

import ctypes
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A socket for one protocol gets the packets that arrive, each once.
ETH_P_IP, SO_ATTACH_FILTER, SO_TIMESTAMPNS = 0x0800, 26, 35
FRAME = re.compile(rb'\{"command":"movej_canfd".*?\}')
HEADER_BYTES = 14


@dataclass(frozen=True)
class Frames:
    """The frames: times (N,) s on the monotonic clock and joints (N, 7) rad."""

    time_s: Array
    joints_rad: Array


class WireTimes:
    """Listens on the loopback until `close`.

    Args:
        port: TCP port of the controller.

    Raises:
        PermissionError: without the right to see packets.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._keep = _to_port(port)
        program = struct.pack("HL", len(self._keep) // 8, ctypes.addressof(self._keep))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._closing = threading.Event()
        self._offset_s = time.time() - time.monotonic()
        self._seen: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, 64)
            except TimeoutError:
                continue
            if ancillary:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                self._seen.append((seconds + nanoseconds * 1e-9 - self._offset_s, data))

    def close(self) -> Frames:
        """Stop listening; what was seen."""
        self._closing.set()
        self._thread.join()
        self._socket.close()
        times, joints = [], []
        for time_s, data in self._seen:
            for text in FRAME.findall(data[HEADER_BYTES:]):
                times.append(time_s)
                joints.append(np.radians(np.array(json.loads(text)["joint"]) / 1000.0))
        return Frames(np.array(times), np.array(joints).reshape(-1, 7))


def _to_port(port: int) -> ctypes.Array[ctypes.c_char]:
    """The filter 'tcp dst port ...' for Ethernet frames with IPv4 (classic BPF)."""
    lines = (
        (0x30, 0, 0, HEADER_BYTES + 9),  # protocol
        (0x15, 0, 4, socket.IPPROTO_TCP),
        (0xB1, 0, 0, HEADER_BYTES),  # length of the IP header
        (0x48, 0, 0, HEADER_BYTES + 2),  # destination port behind it
        (0x15, 0, 1, port),
        (0x06, 0, 0, 65535),
        (0x06, 0, 0, 0),
    )
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    return ctypes.create_string_buffer(code, len(code))
