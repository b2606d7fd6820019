"""Takes commands to the robot: each kind once at a time, none for ever, and a stop past all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from kine_console.commands import STOP, Answer, Command
from kine_nodes.texts import printable

STOP_SPACING_S = 0.02
"""Stops that are asked for within so long of one that was just sent share the next one."""


class CommandDesk:
    """Runs checked commands; to be used from one asyncio loop.

    Commands do not queue: while a kind is being answered, a second one of it is refused. So a slow answer
    (`home` takes as long as the motion) holds up nothing else, and nothing piles up behind it. A stop is sent
    at once, or at the latest `STOP_SPACING_S` after it was asked for: a flood of stops does not become one of
    calls.

    Args:
        execute: does the command and answers; it is cancelled when it takes too long.
    """

    def __init__(self, execute: Callable[[Command], Awaitable[Answer]]) -> None:
        self._execute = execute
        self._running: set[str] = set()
        self._stop_sent_s = -STOP_SPACING_S
        self._next_stop: asyncio.Task[Answer] | None = None
        self.done: Counter[str] = Counter()

    async def submit(self, command: Command) -> Answer:
        """Do a command and answer; never raises, except when cancelled."""
        name = command.name
        if name == STOP:
            return await self._submit_stop(command)
        if name in self._running:
            return Answer(False, f"{name} is still being done")
        self._running.add(name)
        try:
            return await self._do(command)
        finally:
            self._running.discard(name)

    async def _submit_stop(self, command: Command) -> Answer:
        """Each stop is answered by a call that was sent after it was asked for."""
        now_s = asyncio.get_running_loop().time()
        wait_s = self._stop_sent_s + STOP_SPACING_S - now_s
        if wait_s <= 0.0:
            self._stop_sent_s = now_s
            return await self._do(command)
        if self._next_stop is None:
            self._next_stop = asyncio.create_task(self._stop_later(command, wait_s))
        return await asyncio.shield(self._next_stop)

    async def _stop_later(self, command: Command, wait_s: float) -> Answer:
        await asyncio.sleep(wait_s)
        self._next_stop = None
        self._stop_sent_s = asyncio.get_running_loop().time()
        return await self._do(command)

    async def _do(self, command: Command) -> Answer:
        name = command.name
        try:
            answer = await asyncio.wait_for(self._execute(command), command.kind.timeout_s)
        except TimeoutError:
            answer = Answer(False, f"{name}: no answer within {command.kind.timeout_s:.0f} s")
        except Exception as error:
            answer = Answer(False, f"{name}: {printable(error)}")
        self.done["accepted" if answer.ok else "refused"] += 1
        return answer
