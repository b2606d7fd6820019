"""TCP side of the controller: several clients, framing, answers in order, events, connection faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

from . import protocol
from .dispatch import Answer, Dispatcher
from .faults import Faults
from .log import MessageLog


class ClientConnection(asyncio.Protocol):
    """One connected client."""

    def __init__(self, server: CommandServer, name: str) -> None:
        self.name = name
        self._server = server
        self._splitter = protocol.LineSplitter()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register; part of `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.joined(self)
        if self._server.faults.frozen:
            transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister; motion goes on. Part of `asyncio.Protocol`."""
        self._server.left(self, exc)

    def data_received(self, data: bytes) -> None:
        """Handle complete lines; part of `asyncio.Protocol`."""
        try:
            lines = self._splitter.feed(data)
        except protocol.RequestTooLongError as error:
            self._server.log.note(f"{error}; connection closed", self.name)
            self.close(reset=False)
            return
        for line in lines:
            self._server.received(self, line)

    def send(self, data: bytes) -> None:
        """Send bytes now, or after the thaw while the controller is frozen."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._server.faults.frozen:
            self._waiting.append(data)
            return
        self._server.log.add("tx", self.name, data.decode("utf-8", "replace").rstrip("\r\n"))
        self._transport.write(data)

    def freeze(self, frozen: bool) -> None:
        """Stop or resume reading; a thaw delivers what waited."""
        if self._transport is None or self._transport.is_closing():
            return
        if frozen:
            self._transport.pause_reading()
            return
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.send(data)
        self._transport.resume_reading()

    def close(self, reset: bool) -> None:
        """Close politely (FIN), or hard (RST)."""
        if self._transport is None:
            return
        if reset:
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


class CommandServer:
    """Listens, hands lines to the dispatcher, sends answers and events. Lives on one event loop."""

    def __init__(self, dispatcher: Dispatcher, faults: Faults, log: MessageLog) -> None:
        self.faults = faults
        self.log = log
        self._dispatcher = dispatcher
        self._clients: dict[str, ClientConnection] = {}
        self._listener: asyncio.Server | None = None
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def client_count(self) -> int:
        """Number of present clients."""
        return len(self._clients)

    async def listen(self, host: str, port: int) -> int:
        """Open the port (0 = any free one) and return it.

        Raises:
            OSError: the port cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, host, port, reuse_address=True)
        return int(self._listener.sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        """Close the port; present clients stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def close(self) -> None:
        """Close the port and all connections."""
        self.stop_listening()
        self.drop_clients(reset=False)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)

    def _accept(self) -> ClientConnection:
        self._count += 1
        return ClientConnection(self, f"c{self._count}")

    def joined(self, client: ClientConnection) -> None:
        """A client connected."""
        self._clients[client.name] = client
        self.log.note("connected", client.name)

    def left(self, client: ClientConnection, error: Exception | None) -> None:
        """A client is gone."""
        self._clients.pop(client.name, None)
        self.log.note(f"disconnected{f': {error}' if error else ''}", client.name)

    def received(self, client: ClientConnection, line: str) -> None:
        """Handle one line of a client."""
        try:
            command, answer = self._dispatcher.handle(line, client.name)
            if callable(answer):
                task = asyncio.get_running_loop().create_task(self._plan_and_answer(client, command, answer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif answer is not None:
                self._answer(client, command, answer)
        except Exception as error:
            # Whatever a client sends, neither its connection nor the others may suffer.
            self.log.note(f"request failed: {type(error).__name__}: {error}", client.name)

    async def _plan_and_answer(
        self, client: ClientConnection, command: str, plan: Callable[[], Answer]
    ) -> None:
        self._answer(client, command, await asyncio.to_thread(plan))

    def _answer(self, client: ClientConnection, command: str, answer: Answer) -> None:
        line = self.faults.distort(command, protocol.encode_answer(answer))
        if not line:
            return
        delay_s = self.faults.answer_delay_s
        if delay_s > 0.0:
            asyncio.get_running_loop().call_later(delay_s, client.send, line)
        else:
            client.send(line)

    def send_event(self, client: str, message: dict[str, Any]) -> None:
        """Send an arrival event to the client that commanded the motion, if it is still there."""
        connection = self._clients.get(client)
        if connection is None:
            self.log.note(f"event for a client that left: {json.dumps(message)}", client)
            return
        connection.send(protocol.encode_answer(message))

    def freeze(self, frozen: bool) -> None:
        """Freeze or thaw all present connections."""
        for client in list(self._clients.values()):
            client.freeze(frozen)

    def drop_clients(self, reset: bool) -> None:
        """Close all present connections."""
        for client in list(self._clients.values()):
            client.close(reset)
