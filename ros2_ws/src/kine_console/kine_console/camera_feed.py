"""The newest picture of one camera as JPEG, made once for all viewers and only while somebody looks."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable
from typing import Any

from kine_nodes.texts import printable

PACKET = struct.Struct("<BxxxI")
"""Head of a picture on its way to a viewer: number of the camera, number of the picture; then the JPEG."""


class CameraFeed:
    """Keeps the newest image and drops what comes before it is wanted.

    Args:
        index: number of the camera in the packets, 0..255.
        name: as the page shows it.
        encode: JPEG of what was given to `put`; called in another thread. An error it raises is shown in the
            place of the picture, and the next picture is tried.
    """

    def __init__(self, index: int, name: str, encode: Callable[[Any], bytes]) -> None:
        self.index, self.name = index, name
        self._encode = encode
        self._lock = threading.Lock()
        self._waiting: Any | None = None
        self.received = 0
        self.number = 0
        self.packet = b""
        self.error = ""

    def put(self, image: Any) -> None:
        """A new image, from any thread; never waits for a viewer."""
        with self._lock:
            self._waiting = image
            self.received += 1

    async def run(self, period_s: float, wanted: Callable[[], bool]) -> None:
        """Encode the newest image every `period_s` while `wanted()`; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            if wanted():
                await self._encode_newest()
            await asyncio.sleep(max(0.0, started_s + period_s - loop.time()))

    async def _encode_newest(self) -> None:
        with self._lock:
            image, self._waiting = self._waiting, None
        if image is None:
            return
        try:
            jpeg = await asyncio.to_thread(self._encode, image)
        except Exception as error:  # the middleware's and the decoder's kinds; the feed lives on
            self.error = printable(error)
            return
        self.error = ""
        self.number += 1
        self.packet = PACKET.pack(self.index, self.number & 0xFFFFFFFF) + jpeg
