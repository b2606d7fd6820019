"""From one request line to one answer: queries, commands, streamed frames, unknown names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import protocol
from .commands import COMMANDS, REFUSED_MOTIONS, STREAM_COMMANDS, Command, streamed_joints
from .core import Core
from .faults import Faults
from .frame_checker import FrameChecker
from .queries import QUERIES

Request = dict[str, Any]
Answer = dict[str, Any]
# An unknown name is echoed, but never so much of it that the answer would get too long for the SDK.
_SHOWN_NAME = 64


PLANNED_MOTIONS = ("movej", "movej_p", "movel")


class Dispatcher:
    """Logs and runs requests; never raises because of what a client sent."""

    def __init__(self, core: Core, faults: Faults) -> None:
        self._core = core
        self._faults = faults
        self.checkers: dict[str, FrameChecker] = {}

    def handle(self, line: str, client: str) -> tuple[str, Callable[[], Answer] | Answer | None]:
        """Run one line.

        Returns:
            The command's name, and its answer; or a function that plans and then answers, to be called
            off the network thread; or None when there is nothing to answer.
        """
        try:
            request = protocol.parse_request(line)
        except ValueError as error:
            self._core.log.add("rx", client, line)
            self._core.log.note(str(error), client)
            return "", None
        name = request["command"]
        if name in STREAM_COMMANDS:
            self._stream(request, line, client)
            return name, None
        self._core.log.add("rx", client, line)
        command = COMMANDS.get(name)
        if command is not None:
            if command.plans:
                return name, lambda: self._run(name, command, request, client)
            return name, self._run(name, command, request, client)
        return name, self._query(name, request, client)

    def _query(self, name: str, request: Request, client: str) -> Answer:
        query = QUERIES.get(name)
        if query is not None:
            try:
                return query(self._core, request)
            except ValueError as error:
                self._core.log.note(f"{name} refused: {error}", client)
                return {"command": name, "state": False}
        if name in REFUSED_MOTIONS:
            self._core.log.note(f"{name} refused: this controller does not carry out this motion", client)
            return {"command": name, "receive_state": False}
        shown = name[:_SHOWN_NAME]
        self._core.log.note(f"unknown command {shown!r}", client)
        return {"command": shown, "state": False}

    def _run(self, name: str, command: Command, request: Request, client: str) -> Answer:
        try:
            command.run(self._core, request, client)
            accepted = True
            if name in PLANNED_MOTIONS:
                # It ends every stream: the next frame begins where the motion has led.
                for checker in self.checkers.values():
                    checker.restart()
        except ValueError as error:
            self._core.log.note(f"{name} refused: {error}", client)
            accepted = False
        return {"command": command.name or name, command.key: accepted}

    def _stream(self, request: Request, line: str, client: str) -> None:
        joints: np.ndarray | None = None
        if self._faults.loses_frame():
            outcome = "lost"
            values = request.get("joint")
            if isinstance(values, list) and all(isinstance(v, int | float) for v in values):
                joints = np.radians(np.array(values, dtype=float) / 1000.0)
        else:
            try:
                joints, outcome = streamed_joints(self._core, request)
            except ValueError as error:
                outcome = f"refused: {error}"
        if request["command"] == "movej_canfd" and outcome != "lost":
            checker = self.checkers.setdefault(client, FrameChecker())
            checker.frame(time.monotonic(), request.get("joint"))
        degrees = None if joints is None else tuple(round(float(v), 4) for v in np.degrees(joints))
        self._core.log.add("rx", client, line, kind="canfd", joints_deg=degrees, outcome=outcome)
