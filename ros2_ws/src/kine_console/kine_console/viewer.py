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
MESSAGE_BURST, MESSAGES_PER_S = 1000.0, 200.0
"""Messages of any kind a browser may send; one that sends more is cut off, for the others' sake."""
TURN = 16
"""Messages of one browser that are taken before others have their turn."""


class ViewerGone(Exception):
    """The browser does not take what it is sent."""


class Credit:
    """How much may still be sent: so much at once, and so much per second.

    Args:
        burst: most that is saved up.
        per_s: what comes back per second.
    """

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left, self._then_s = burst, asyncio.get_running_loop().time()

    def spend(self) -> bool:
        """Take one; False when there is none left."""
        now_s = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now_s - self._then_s) * self._per_s)
        self._then_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass
class Traffic:
    """Counts over all viewers, for the diagnostics."""

    rounds: int = 0
    pictures: int = 0
    pictures_skipped: int = 0
    too_slow: int = 0
    too_loud: int = 0
    refused: int = 0


class Viewer:
    """Serves one WebSocket until it closes.

    Args:
        socket: the prepared connection.
        abort: cuts the connection at once.
        address: where it comes from, for the log.
        session: checks its tokens.
        in_control: called when it has shown the right token for the first time.
        state, feeds: what it is shown.
        desk: takes its commands.
        traffic: where it counts.
        period_s: time between two rounds.
        gone_s: a browser that takes nothing for so long is let go.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        abort: Callable[[], None],
        address: str,
        session: Session,
        in_control: Callable[[], None],
        state: ConsoleState,
        feeds: Sequence[CameraFeed],
        desk: CommandDesk,
        traffic: Traffic,
        period_s: float,
        gone_s: float = 10.0,
    ) -> None:
        self._socket, self._abort, self._address, self._session = socket, abort, address, session
        self._in_control = in_control
        self._state, self._feeds, self._desk, self._traffic = state, feeds, desk, traffic
        self._period_s, self._gone_s = period_s, gone_s
        self._answers: deque[dict[str, Any]] = deque(maxlen=MAX_ANSWERS)
        self._wake = asyncio.Event()
        self._pending: set[asyncio.Task[None]] = set()
        self._revision = 0
        self._pictures = {feed.index: 0 for feed in feeds}
        self._round = self._seen = 0
        self._requests = Credit(BURST, PER_S)

    async def serve(self, hello: dict[str, Any], first: str | None = None) -> None:
        """Send and receive until the browser goes, takes nothing any more or sends too much.

        Args:
            hello: what it is told at the start.
            first: a message of it that was received before.
        """
        messages, count = Credit(MESSAGE_BURST, MESSAGES_PER_S), 0
        self._answers.append({"hello": hello | {"history": self._state.history()}})
        sender = asyncio.create_task(self._send_all())
        try:
            if first is not None:
                self._receive(first)
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
                if not messages.spend():
                    self._traffic.too_loud += 1
                    self._abort()
                    break
                count += 1
                if count % TURN == 0:
                    await asyncio.sleep(0)
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
        request = parse_request(text)
        if request is None:
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
        # Who sees the arm may stop it: a stop that waits for a token is none.
        refusal = "" if stop else self._session.refusal(request.get("token"))
        if self._session.proved:
            self._in_control()
        takes_control = name == CHECK_TOKEN and not refusal
        if not stop and not takes_control and not self._requests.spend():
            self._answer(number, Answer(False, "too many requests: wait a second"))
            return
        if refusal:
            self._traffic.refused += 1
            self._answer(number, Answer(False, refusal))
            return
        if takes_control:
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

    def _answer(self, number: int | None, answer: Answer) -> None:
        self._answers.append({"answer": number, "ok": answer.ok, "message": answer.message})
        self._wake.set()


def parse_request(text: str) -> dict[str, Any] | None:
    """The JSON object in a message; None when it holds none."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None
