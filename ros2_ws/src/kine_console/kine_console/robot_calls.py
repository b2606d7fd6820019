"""The page's commands as calls of the robot's services."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from kine_console.commands import STOP, VERDICTS, Answer, Command
from kine_msgs.srv import Approve, DiscardEpisode, Instruct, StartEpisode, StopEpisode
from kine_nodes.texts import printable

ESTOP, END = "/realman_driver/estop", "/kinevla/stop"
SERVICES: dict[str, tuple[str, Any]] = {
    STOP: (ESTOP, Trigger),
    "end_instruction": (END, Trigger),
    **{name: (f"/realman_driver/{name}", Trigger) for name in ("enable", "reset", "disable", "home")},
    "instruct": ("/kinevla/instruct", Instruct),
    "approve": ("/kinevla/approve", Approve),
    "record_start": ("/recorder/start", StartEpisode),
    "record_stop": ("/recorder/stop", StopEpisode),
    "record_discard": ("/recorder/discard", DiscardEpisode),
}
NOT_STOPPED = "USE THE EMERGENCY STOP SWITCH"


class RobotCalls:
    """Calls services without waiting for the node's executor, from the server's asyncio loop."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[str, Any] = {
            service: node.create_client(kind, service) for service, kind in SERVICES.values()
        }

    def close(self) -> None:
        """Give the clients back."""
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients.clear()

    def available(self) -> dict[str, bool]:
        """Which commands have a service to answer them now."""
        return {
            name: bool(self._clients[service].service_is_ready()) for name, (service, _) in SERVICES.items()
        }

    async def execute(self, command: Command) -> Answer:
        """Do a command and say what the robot answered."""
        if command.name == STOP:
            return await self._stop()
        service, kind = SERVICES[command.name]
        if not self._clients[service].service_is_ready():
            return Answer(False, f"{service} is not there: is its node running?")
        response = await self._call(service, _request(kind, command))
        return _answer(command.name, response)

    async def _stop(self) -> Answer:
        """Both stops are sent at once; the arm's one decides."""
        there = [name for name in (ESTOP, END) if self._clients[name].service_is_ready()]
        calls = {name: asyncio.ensure_future(self._call(name, Trigger.Request())) for name in there}
        if ESTOP not in calls:
            return Answer(False, f"the driver is not there, no stop was sent. {NOT_STOPPED}")
        try:
            response = await asyncio.wait_for(calls[ESTOP], 2.0)
        except TimeoutError:
            return Answer(False, f"the stop was sent and is not confirmed. {NOT_STOPPED}")
        text = printable(response.message)
        return Answer(True, text) if response.success else Answer(False, f"{text}. {NOT_STOPPED}")

    async def _call(self, service: str, request: Any) -> Any:
        """Send at once, wait for the answer; a call given up on is forgotten."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def pass_on(done: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(take, done)

        def take(done: Any) -> None:
            if not answered.done():
                error = done.exception()
                answered.set_result((None if error else done.result(), error))

        client = self._clients[service]
        future = client.call_async(request)
        future.add_done_callback(pass_on)
        try:
            response, error = await answered
        except asyncio.CancelledError:
            client.remove_pending_request(future)
            raise
        if error is not None:
            raise error
        return response


def _request(kind: Any, command: Command) -> Any:
    texts = command.arguments
    if kind is Instruct:
        return Instruct.Request(instruction=texts["text"])
    if kind is Approve:
        return Approve.Request(
            instruction_id=texts["instruction_id"], kinematics_reasoning=texts["kinematics"]
        )
    if kind is StartEpisode:
        return StartEpisode.Request(
            instruction=texts["instruction"],
            goal_reasoning=texts["goal"],
            kinematics_reasoning=texts["kinematics"],
            operator_name=texts["operator"],
        )
    if kind is StopEpisode:
        return StopEpisode.Request(verdict=VERDICTS.index(texts["verdict"]), note=texts["note"])
    if kind is DiscardEpisode:
        return DiscardEpisode.Request(reason=texts["reason"])
    return kind.Request()


def _answer(name: str, response: Any) -> Answer:
    ok = bool(getattr(response, "accepted", getattr(response, "success", False)))
    message = str(response.message)
    if name == "record_start" and ok:
        message = f"recording {response.episode_id}"
    elif name == "record_stop" and ok:
        seconds, count = response.duration_s, response.messages_written
        message = f"{response.episode_id} kept: {seconds:.1f} s, {count} messages, {response.audit}"
    elif name == "record_discard" and ok:
        message = f"{response.episode_id} put aside as discarded"
    return Answer(ok, printable(message))
