"""The page and its WebSocket, served from a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from kine_console.access import Access, Session
from kine_console.camera_feed import CameraFeed
from kine_console.commands import STOP, Answer, Command
from kine_console.connections import Connections
from kine_console.desk import CommandDesk
from kine_console.state import ConsoleState
from kine_console.viewer import Traffic, Viewer, parse_request

_HERE = Path(__file__).parent
_PAGE, _ARM = _HERE / "page", _HERE / "data" / "rm75.json"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
TOO_MANY_VIEWERS = 4003
PROVE_S = 2.0
"""When all places are taken, a newcomer has so long to show the token or to stop the arm."""
MAX_WAITING = 128
MAX_FIRST_MESSAGES = 20
MAX_REQUEST_BYTES = 16 * 1024


class AddressError(OSError):
    """The page cannot be served at this address; the text says why and what to change."""


@dataclass(frozen=True)
class ServerSettings:
    """Where and how the page is served.

    Attributes:
        host, port: address to listen at; port 0: a free one.
        max_viewers: browsers at a time that have not shown the token; who has is always let in.
        state_rate_hz, image_rate_hz: how often a viewer gets news, and pictures.
        gone_s: a browser that takes nothing for so long is let go.
        instructions: sentences the page suggests.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    max_viewers: int = 8
    state_rate_hz: float = 10.0
    image_rate_hz: float = 10.0
    gone_s: float = 10.0
    instructions: Sequence[str] = field(default_factory=tuple)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the page."""
        return _is_loopback(self.host)


class ConsoleServer:
    """Serves the page from `start` to `stop`.

    Args:
        settings: address and limits.
        state, feeds: what is shown.
        access: who may command.
        execute: does a command; runs in the server's loop.
    """

    def __init__(
        self,
        settings: ServerSettings,
        state: ConsoleState,
        feeds: Sequence[CameraFeed],
        access: Access,
        execute: Callable[[Command], Awaitable[Answer]],
    ) -> None:
        self.settings, self.state, self.feeds, self.access = settings, state, feeds, access
        self.desk = CommandDesk(execute)
        self.traffic = Traffic()
        self.url = ""
        self._sockets: set[web.WebSocketResponse] = set()
        self._guests: set[web.WebSocketResponse] = set()
        self._waiting: dict[web.WebSocketResponse, Callable[[], None]] = {}
        self._connections: Connections | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many browsers are served."""
        return len(self._sockets)

    @property
    def connections_cut(self) -> int:
        """How many idle connections had to make room for newer ones."""
        return self._connections.cut if self._connections is not None else 0

    # --- life ------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Listen, and serve in a thread.

        Raises:
            AddressError: the address is not one of this machine, or the port is taken.
        """
        listener = _listen(self.settings.host, self.settings.port)
        port = listener.getsockname()[1]
        host = self.settings.host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="console-server", daemon=True
        )
        self._thread.start()
        ready.result(30)

    def stop(self) -> None:
        """Close every connection and end the thread; does nothing when it does not run."""
        if self._thread is None or self._loop is None or self._end is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._thread = None

    async def _serve(self, listener: socket.socket, ready: Future[None]) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_REQUEST_BYTES)
        app.router.add_get("/", self._index)
        app.router.add_get("/page/{name}", self._file)
        app.router.add_get("/rm75.json", self._arm)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ws", self._websocket)
        app.router.add_post("/stop", self._stop)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        assert runner.server is not None
        self._connections = Connections(runner.server)
        serving = await self._loop.create_server(self._connections, sock=listener)
        period_s = 1.0 / self.settings.image_rate_hz
        encoders = [asyncio.create_task(f.run(period_s, lambda: self.viewers > 0)) for f in self.feeds]
        ready.set_result(None)
        await self._end.wait()
        for task in encoders:
            task.cancel()
        closing = [
            asyncio.wait_for(s.close(code=WSCloseCode.GOING_AWAY, message=b"the console ends"), 1.0)
            for s in self._sockets
        ]
        serving.close()
        await asyncio.gather(*closing, return_exceptions=True)
        await runner.cleanup()

    # --- requests --------------------------------------------------------------------------------------
    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = urlsplit(f"//{request.host}").hostname or ""
        # A page of another name that resolves to this machine must not read along (DNS rebinding).
        if self.settings.local and host != "localhost" and not _is_loopback(host):
            raise web.HTTPForbidden(text=f"this console answers to localhost only, not to {host[:100]}\n")
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or (request.method != "GET" and site not in ("same-origin", "none")):
            raise web.HTTPForbidden(text="this console cannot be used from another site's page\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(_HEADERS)
            raise
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _index(self, request: web.Request) -> web.Response:
        return _send_file(_PAGE / "index.html")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = _PAGE / name
        if Path(name).name != name or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound(text=f"there is no {name[:100]}\n")
        return _send_file(path)

    async def _arm(self, request: web.Request) -> web.Response:
        return web.Response(body=_ARM.read_bytes(), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "viewers": self.viewers})

    async def _stop(self, request: web.Request) -> web.Response:
        """A stop without a WebSocket: for a page whose link is gone, or that found no place."""
        with self._kept(request):
            answer = await self._do_stop(request.remote or "unknown")
        status = 200 if answer.ok else 503
        return web.json_response({"ok": answer.ok, "message": answer.message}, status=status)

    def _kept(self, request: web.Request) -> AbstractContextManager[None]:
        assert self._connections is not None
        return self._connections.kept(request.protocol)

    async def _do_stop(self, address: str) -> Answer:
        answer = await self.desk.submit(Command(STOP))
        self.state.log(address, STOP, answer.ok, answer.message)
        return answer

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse(heartbeat=10.0, max_msg_size=MAX_REQUEST_BYTES, compress=False)
        try:
            await answer.prepare(request)
        except ConnectionError:  # gone again already
            return answer
        abort = request.transport.abort if request.transport else lambda: None
        address, session, first = request.remote or "unknown", self.access.session(), None
        with self._kept(request):
            if len(self._guests) >= self.settings.max_viewers:
                first = await self._first_message(answer, abort, session, address)
                if first is None:
                    text = f"{len(self._guests)} viewers are connected already, the most allowed"
                    await answer.close(code=TOO_MANY_VIEWERS, message=text.encode())
                    return answer
            await self._serve_viewer(answer, abort, session, address, first)
        return answer

    async def _first_message(
        self, socket: web.WebSocketResponse, abort: Callable[[], None], session: Session, address: str
    ) -> str | None:
        """The message with the right token; None when none came in time. A stop is done meanwhile."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting)))()
        self._waiting[socket] = abort
        loop = asyncio.get_running_loop()
        end_s = loop.time() + PROVE_S
        try:
            for _ in range(MAX_FIRST_MESSAGES):
                message = await socket.receive(timeout=max(0.001, end_s - loop.time()))
                if message.type is not WSMsgType.TEXT:
                    return None
                request = parse_request(message.data) or {}
                if request.get("command") == STOP:
                    done, number = await self._do_stop(address), request.get("id")
                    await socket.send_json({"answer": number, "ok": done.ok, "message": done.message})
                elif "token" in request and not session.refusal(request["token"]):
                    return str(message.data)
        except (TimeoutError, ConnectionError):
            return None
        finally:
            self._waiting.pop(socket, None)
        return None

    async def _serve_viewer(
        self,
        socket: web.WebSocketResponse,
        abort: Callable[[], None],
        session: Session,
        address: str,
        first: str | None,
    ) -> None:
        viewer = Viewer(
            socket,
            abort,
            address,
            session,
            lambda: self._guests.discard(socket),
            self.state,
            self.feeds,
            self.desk,
            self.traffic,
            1.0 / self.settings.state_rate_hz,
            self.settings.gone_s,
        )
        self._sockets.add(socket)
        if not session.proved:
            self._guests.add(socket)
        self.state.put("viewers", self.viewers)
        try:
            await viewer.serve(
                {
                    "instructions": list(self.settings.instructions),
                    "cameras": [feed.name for feed in self.feeds],
                },
                first,
            )
        finally:
            self._sockets.discard(socket)
            self._guests.discard(socket)
            self.state.put("viewers", self.viewers)


def _send_file(path: Path) -> web.Response:
    return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix], charset="utf-8")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=64)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken, choose another (parameter port)" if taken else error.strerror
        raise AddressError(f"cannot serve the console at {host}:{port}: {reason}") from None
