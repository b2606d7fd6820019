"""Takes commands to the robot: each kind once at a time, none for ever, and a stop past all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from kine_console.commands import STOP, Answer, Command


class CommandDesk:
    """Runs checked commands; to be used from one asyncio loop.

    Commands do not queue: while a kind is being answered, a second one of it is refused. So a slow answer
    (`home` takes as long as the motion) holds up nothing else, and nothing piles up behind it.

    Args:
        execute: does the command and answers; it is cancelled when it takes too long.
    """

    def __init__(self, execute: Callable[[Command], Awaitable[Answer]]) -> None:
        self._execute = execute
        self._running: set[str] = set()
        self.done: Counter[str] = Counter()

    async def submit(self, command: Command) -> Answer:
        """Do a command and answer; never raises, except when cancelled."""
        name = command.name
        if name != STOP and name in self._running:
            return Answer(False, f"{name} is still being done")
        self._running.add(name)
        try:
            answer = await asyncio.wait_for(self._execute(command), command.kind.timeout_s)
        except TimeoutError:
            answer = Answer(False, f"{name}: no answer within {command.kind.timeout_s:.0f} s")
        except Exception as error:
            answer = Answer(False, f"{name}: {error}")
        finally:
            self._running.discard(name)
        self.done["accepted" if answer.ok else "refused"] += 1
        return answer
