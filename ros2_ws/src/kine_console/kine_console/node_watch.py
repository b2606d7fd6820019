"""Which nodes are there, and the lifecycle state of those that have one."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import GetState
from rclpy.node import Node

_HIDDEN = "_ros2cli"


class NodeWatch:
    """Looks at the ROS graph; `look` is called from a timer and never waits for an answer."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[str, Any] = {}
        self._states: dict[str, str] = {}
        self._asked: dict[str, Any] = {}

    def close(self) -> None:
        """Give the clients back."""
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients.clear()
        self._asked.clear()

    def look(self) -> dict[str, str]:
        """The nodes now, each with its newest known lifecycle state, or an empty text."""
        names = {
            f"{space.rstrip('/')}/{name}"
            for name, space in self._node.get_node_names_and_namespaces()
            if not name.startswith(_HIDDEN)
        }
        for name in set(self._clients) - names:
            # Names that come and go do not pile up.
            self._node.destroy_client(self._clients.pop(name))
            self._asked.pop(name, None)
            self._states.pop(name, None)
        services = dict(self._node.get_service_names_and_types())
        for name in names:
            if "lifecycle_msgs/srv/GetState" in services.get(f"{name}/get_state", ()):
                self._ask(name)
            else:
                self._states.pop(name, None)
        return {name: self._states.get(name, "") for name in names}

    def _ask(self, name: str) -> None:
        if name not in self._clients:
            self._clients[name] = self._node.create_client(GetState, f"{name}/get_state")
        client, before = self._clients[name], self._asked.get(name)
        if before is not None and not before.done():
            # Not answered since the last look: it hangs, or it has gone and come back.
            client.remove_pending_request(before)
            self._states[name] = "does not answer"
        if client.service_is_ready():
            future = self._asked[name] = client.call_async(GetState.Request())
            future.add_done_callback(lambda done: self._take(name, done))

    def _take(self, name: str, done: Any) -> None:
        if not done.cancelled() and done.exception() is None and done.result() is not None:
            self._states[name] = str(done.result().current_state.label)
