"""A console server with a robot that keeps what it is asked, and browsers made of aiohttp."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from kine_console.access import Access
from kine_console.camera_feed import PACKET, CameraFeed
from kine_console.commands import Answer, Command
from kine_console.server import ConsoleServer, ServerSettings
from kine_console.state import ConsoleState

TOKEN = "the-right-token-of-today"
PATIENCE_S = 30.0


class Rig:
    """A running server; `asked` is what reached the robot."""

    def __init__(self, **settings: Any) -> None:
        self.asked: list[Command] = []
        self.slow: set[str] = set()
        self.state = ConsoleState()
        self.feeds = [CameraFeed(0, "front", self.encode), CameraFeed(1, "wrist", self.encode)]
        settings = {"port": 0, "state_rate_hz": 30.0, "image_rate_hz": 30.0, **settings}
        self.access = Access(TOKEN)
        self.server = ConsoleServer(
            ServerSettings(**settings), self.state, self.feeds, self.access, self.execute
        )
        self.server.start()

    @staticmethod
    def encode(image: bytes) -> bytes:
        if image == b"broken":
            raise ValueError("image encoding 'yuv' is not one of rgb8")
        return image

    async def execute(self, command: Command) -> Answer:
        self.asked.append(command)
        if command.name in self.slow:
            await asyncio.sleep(20)
        return Answer(True, f"{command.name} done")

    @property
    def names(self) -> list[str]:
        return [command.name for command in self.asked]


class Browser:
    """One viewer: takes rounds as the page does, and keeps them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, seeing: bool = True) -> None:
        self._socket, self._seeing, self._number = socket, seeing, 0
        self.hello: dict[str, Any] = {}
        self.news: dict[str, Any] = {}
        self.rounds = 0
        self.pictures: list[tuple[int, int, bytes]] = []
        self.answers: dict[int | None, dict[str, Any]] = {}
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                camera, number = PACKET.unpack_from(message.data)
                self.pictures.append((camera, number, message.data[PACKET.size :]))
                continue
            data = json.loads(message.data)
            if "hello" in data:
                self.hello = data["hello"]
            elif "round" in data:
                self.rounds += 1
                self.news.update(data["changed"])
                if self._seeing:
                    await self._socket.send_json({"seen": data["round"]})
            else:
                self.answers[data["answer"]] = data

    async def until(self, condition: Callable[[], Any], what: str = "it") -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"{what} did not happen within {PATIENCE_S:.0f} s"
            await asyncio.sleep(0.01)

    async def send(self, name: str, token: Any = "", **arguments: Any) -> int:
        self._number += 1
        request = {"id": self._number, "command": name, "arguments": arguments, "token": token}
        await self._socket.send_json(request)
        return self._number

    async def ask(self, name: str, token: Any = "", **arguments: Any) -> dict[str, Any]:
        number = await self.send(name, token, **arguments)
        await self.until(lambda: number in self.answers, f"an answer to {name}")
        return self.answers[number]

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        return self._socket


@pytest.fixture
def rig() -> Iterator[Rig]:
    running = Rig()
    yield running
    running.server.stop()


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(**settings))
        return rigs[-1]

    yield make
    for running in rigs:
        running.server.stop()


@pytest.fixture
def browse() -> Callable[..., None]:
    """Runs a scene with as many browsers as wanted: `browse(rig, scene, count)`."""

    def run(running: Rig, scene: Callable[..., Any], count: int = 1, seeing: bool = True) -> None:
        async def play() -> None:
            async with aiohttp.ClientSession() as session:
                sockets = [await session.ws_connect(running.server.url + "ws") for _ in range(count)]
                browsers = [Browser(socket, seeing) for socket in sockets]
                try:
                    await scene(*browsers)
                finally:
                    for browser in browsers:
                        browser.reader.cancel()

        asyncio.run(play())

    return run
