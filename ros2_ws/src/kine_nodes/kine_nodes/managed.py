"""A lifecycle node for nodes with one job: it is done while the node is active, and not otherwise.

Parameters are read when the node is made. Topics and services are there from then on, so that others find
them; what comes in while the node is not active is left alone, and a request is answered with a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from kine_nodes.parameters import Parameter, declare
from kine_nodes.system_clock import require_system_clock

AUTOSTART = {"autostart": Parameter(True, "configure and activate without a lifecycle manager")}


class ManagedNode(LifecycleNode):
    """Base of such a node.

    Args:
        name: of the node.
        table: its parameters, `AUTOSTART` among them; `values` has what they are.

    Raises:
        rclpy.exceptions.ParameterException: a value that is not allowed.
        ValueError: simulated time was chosen.
    """

    def __init__(self, name: str, table: Mapping[str, Parameter]) -> None:
        super().__init__(name)
        require_system_clock(self)
        self.values: dict[str, Any] = declare(self, table)
        self.serving = False

    def begin(self) -> None:
        """Called when the node becomes active, before anything is served."""

    def close(self) -> None:
        """Called when it ceases to be active, and at the end; safe to call twice."""

    def while_active(self, callback: Callable[..., None]) -> Callable[..., None]:
        """The callback of a subscription or timer, called while the node is active."""

        def call(*arguments: Any) -> None:
            if self.serving:
                callback(*arguments)

        return call

    def answered_while_active(self, callback: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The callback of a service with `success` and `message`, refused while the node is not active."""

        def answer(request: Any, response: Any) -> Any:
            if self.serving:
                return callback(request, response)
            response.success, response.message = False, f"{self.get_name()} is not active"
            return response

        return answer

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve."""
        self.begin()
        self.serving = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve no more."""
        self._end()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As `on_deactivate`, whatever the state was."""
        self._end()
        return super().on_shutdown(state)

    def _end(self) -> None:
        if self.serving:
            self.close()
            self.serving = False


def autostart(node: ManagedNode) -> bool:
    """Configure and activate a node if its parameter says so; False when that failed."""
    success = TransitionCallbackReturn.SUCCESS
    if not node.values["autostart"]:
        return True
    return bool(node.trigger_configure() == success and node.trigger_activate() == success)
