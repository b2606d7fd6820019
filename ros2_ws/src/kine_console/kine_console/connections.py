"""Connections to the page: so many at a time, and those that do nothing do not keep others out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp.web_protocol import RequestHandler

MAX_IDLE = 512
"""Enough for a newcomer to send its request before others push it out; half of the usual file limit."""


class Connections:
    """Makes the server's connections; when too many are open, the oldest without a task is cut.

    Args:
        make: makes one, as `aiohttp.web.Server` does.
        most: without a task at a time.
    """

    def __init__(self, make: Callable[[], RequestHandler], most: int = MAX_IDLE) -> None:
        self._make, self._most = make, most
        self._idle: dict[RequestHandler, None] = {}
        self.cut = 0

    def __call__(self) -> RequestHandler:
        """For `loop.create_server`."""
        while len(self._idle) >= self._most:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            if oldest.transport is not None:
                self.cut += 1
                oldest.transport.abort()
        made = self._make()
        self._idle[made] = None
        return made

    @contextmanager
    def kept(self, connection: RequestHandler) -> Iterator[None]:
        """While it has a task: a viewer that was let in, or a stop that is being done."""
        self._idle.pop(connection, None)
        try:
            yield
        finally:
            self._idle[connection] = None
