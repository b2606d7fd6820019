"""One browser: sends what changed, at the pace the browser takes it, and passes on what it asks for."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from kine_console.access import Session
from kine_console.camera_feed import CameraFeed
from kine_console.commands import CHECK_TOKEN, STOP, Answer, CommandError, parse
from kine_console.desk import CommandDesk
from kine_console.state import ConsoleState

MAX_UNSEEN = 2
"""Rounds on their way to a browser at a time: a slow one gets fewer, never older ones."""
MAX_ANSWERS = 32
MAX_PENDING = 8
BURST, PER_S = 20.0, 5.0
"""Requests a browser may send at once and per second; stops are not counted."""


class ViewerGone(Exception):
    """The browser does not take what it is sent."""


@dataclass
class Traffic:
    """Counts over all viewers, for the diagnostics."""

    rounds: int = 0
    pictures: int = 0
    pictures_skipped: int = 0
    too_slow: int = 0
    refused: int = 0


class Viewer:
    """Serves one WebSocket until it closes.

    Args:
        socket: the prepared connection.
        abort: cuts the connection at once.
        address: where it comes from, for the log.
        session: checks its tokens.
        state, feeds: what it is shown.
        desk: takes its commands.
        traffic: where it counts.
        period_s: time between two rounds.
        gone_s: a browser that takes nothing for so long is let go.
        stop_needs_token: false: anybody who sees the page may stop the arm.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        abort: Callable[[], None],
        address: str,
        session: Session,
        state: ConsoleState,
        feeds: Sequence[CameraFeed],
        desk: CommandDesk,
        traffic: Traffic,
        period_s: float,
        gone_s: float = 10.0,
        stop_needs_token: bool = True,
    ) -> None:
        self._socket, self._abort, self._address, self._session = socket, abort, address, session
        self._state, self._feeds, self._desk, self._traffic = state, feeds, desk, traffic
        self._period_s, self._gone_s, self._stop_needs_token = period_s, gone_s, stop_needs_token
        self._answers: deque[dict[str, Any]] = deque(maxlen=MAX_ANSWERS)
        self._wake = asyncio.Event()
        self._pending: set[asyncio.Task[None]] = set()
        self._revision = 0
        self._pictures = {feed.index: 0 for feed in feeds}
        self._round = self._seen = 0
        self._credit, self._credit_s = BURST, 0.0

    async def serve(self, hello: dict[str, Any]) -> None:
        """Send and receive until the browser goes or takes nothing any more."""
        loop = asyncio.get_running_loop()
        self._credit_s = loop.time()
        self._answers.append({"hello": hello | {"history": self._state.history()}})
        sender = asyncio.create_task(self._send_all())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    # --- to the browser --------------------------------------------------------------------------------
    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        stuck_since_s = due_s = loop.time()
        try:
            while True:
                self._wake.clear()
                while self._answers:
                    await self._send(json.dumps(self._answers.popleft()))
                now_s = loop.time()
                wait_s = 1.0  # until the browser says that it has seen a round
                if self._round - self._seen < MAX_UNSEEN:
                    stuck_since_s = now_s
                    if now_s >= due_s:
                        await self._send_round()
                        due_s = now_s + self._period_s
                    wait_s = max(0.0, due_s - loop.time())
                elif now_s - stuck_since_s > self._gone_s:
                    raise ViewerGone
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait_s)
        except (ViewerGone, ConnectionError):
            self._traffic.too_slow += 1
            # Not by the closing handshake: who reads nothing does not answer it either.
            self._abort()

    async def _send_round(self) -> None:
        for feed in self._feeds:
            before, newest = self._pictures[feed.index], feed.number
            if newest != before:
                self._pictures[feed.index] = newest
                await self._send(feed.packet)
                self._traffic.pictures += 1
                self._traffic.pictures_skipped += newest - before - 1 if before else 0
        # The text is last: who has seen it has taken the pictures too.
        self._round += 1
        revision, changed = self._state.changes(self._revision)
        text = {"round": self._round, "now_s": round(self._state.clock(), 3), "changed": changed}
        await self._send(json.dumps(text, allow_nan=False))
        self._revision = revision
        self._traffic.rounds += 1

    async def _send(self, data: str | bytes) -> None:
        sending = self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data)
        try:
            await asyncio.wait_for(sending, self._gone_s)
        except TimeoutError:
            raise ViewerGone from None

    # --- from the browser ------------------------------------------------------------------------------
    def _receive(self, text: str) -> None:
        try:
            request = json.loads(text)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            self._answer(None, Answer(False, "a request must be a JSON object"))
            return
        if "seen" in request:
            number = request["seen"]
            if isinstance(number, int) and self._seen < number <= self._round:
                self._seen = number
                self._wake.set()
            return
        self._command(request)

    def _command(self, request: dict[str, Any]) -> None:
        number, name = request.get("id"), request.get("command")
        number = number if isinstance(number, int) else None
        stop = name == STOP
        if not stop and not self._spend():
            self._answer(number, Answer(False, "too many requests: wait a second"))
            return
        refusal = ""
        if not (stop and not self._stop_needs_token):
            refusal = self._session.refusal(request.get("token"))
        if refusal:
            self._traffic.refused += 1
            self._answer(number, Answer(False, refusal))
            return
        if name == CHECK_TOKEN:
            self._answer(number, Answer(True, "in control"))
            return
        try:
            command = parse(name, request.get("arguments", {}))
            if not stop and len(self._pending) >= MAX_PENDING:
                raise CommandError(f"{MAX_PENDING} commands are still being done")
        except CommandError as error:
            self._answer(number, Answer(False, str(error)))
            return

        async def work() -> None:
            answer = await self._desk.submit(command)
            self._state.log(self._address, command.name, answer.ok, answer.message)
            self._answer(number, answer)

        # Not cancelled when the browser goes: what was commanded is done, and logged.
        task = asyncio.create_task(work())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    def _spend(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        self._credit = min(BURST, self._credit + (now_s - self._credit_s) * PER_S)
        self._credit_s = now_s
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True

    def _answer(self, number: int | None, answer: Answer) -> None:
        self._answers.append({"answer": number, "ok": answer.ok, "message": answer.message})
        self._wake.set()
