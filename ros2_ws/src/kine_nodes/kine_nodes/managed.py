"""The lifecycle of the stack's nodes: what came up when one was configured is gone when it is cleaned up.

A node makes its topics, services, timers and its whole memory in `setup`, called by `configure`. What came up
since then is taken down by `cleanup`, whoever made it, so that a node that is configured again is a new one.
Between the two its topics and services are there for others to find; what comes in while the node is not
active is left alone, and a request is answered with a refusal. No transition moves anything by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter

from kine_nodes.parameters import Parameter, declare
from kine_nodes.system_clock import require_system_clock
from kine_nodes.texts import printable

AUTOSTART = {"autostart": Parameter(True, "configure and activate without a lifecycle manager")}
_OK, _FAILED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class ManagedNode(LifecycleNode):
    """Base of such a node: subclasses have `setup`, and `check`, `begin`, `close`, `forget` where needed.

    What is made before the first `configure` (in `__init__`) lives as long as the node.

    Args:
        name: of the node.
        table: its parameters, `AUTOSTART` among them; `values` has what they are. They can be set until the
            node is configured, and again when it has been cleaned up.

    Attributes:
        values: of the parameters, read anew by `configure`.
        configured: what `setup` makes is there.
        serving: the node is active.
        failure: what kept the node from being configured or activated last; None before.

    Raises:
        rclpy.exceptions.ParameterException: a value that is not allowed.
        ValueError: the same, found by `check`, or simulated time was chosen.
    """

    def __init__(self, name: str, table: Mapping[str, Parameter]) -> None:
        super().__init__(name)
        require_system_clock(self)
        self.values: dict[str, Any] = declare(self, table, read_only=False)
        self.serving = False
        self.failure: Exception | None = None
        self.configured = False
        self._all_ended = True
        self._lasting: set[object] = set()
        self._undo: list[Callable[[], object]] = []
        self.add_on_set_parameters_callback(self._may_set_parameters)
        self.check()

    # --- what a node does, for subclasses ---------------------------------------------------------------

    def check(self) -> None:
        """Called when the node is made and by `configure`: ValueError for `values` that are not allowed."""

    def setup(self) -> None:
        """Called by `configure`: make topics, services, timers and all memory, as `values` say.

        Whatever it raises is logged, what it had made is taken down, and the node stays unconfigured.
        """

    def begin(self) -> None:
        """Called when the node becomes active, before anything is served; it does not when this raises."""

    def close(self) -> bool | None:
        """End what `begin` or a request has begun, when the node ceases to be active; safe to call twice.

        Returns:
            False when something has not ended: it is called again before the node may become active.
        """
        return None

    def forget(self) -> None:
        """Called by `cleanup`, when topics and services are gone: let go of what holds something."""

    def at_cleanup(self, undo: Callable[[], object]) -> None:
        """Have something undone by the next `cleanup`, newest first: what is no topic, service or timer."""
        self._undo.append(undo)

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

    # --- transitions ------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and set up."""
        self._lasting = {*self.timers, *self.subscriptions, *self.services, *self.clients}
        self._lasting |= {*self.publishers, *self.guards}
        self.values = {name: self.get_parameter(name).value for name in self.values}
        self.configured = True
        try:
            self.check()
            self.setup()
        except Exception as error:  # rclpy would drop it without a word
            self._failed("configure", error)
            self._take_down()
            return _FAILED
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve."""
        try:
            if not self._all_ended:
                self._all_ended = self.close() is not False
            if not self._all_ended:
                raise RuntimeError("what it did when it was active last has not ended yet")
            self.begin()
        except Exception as error:
            self._failed("activate", error)
            self._all_ended = self._tried(self.close) is not False
            return _FAILED
        self.serving = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Serve no more."""
        self.end()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take down what has come up since the node was configured."""
        self._take_down()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As `on_deactivate` and `on_cleanup`, whatever the state was."""
        self.end()
        self._take_down()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed half-way: as `on_shutdown`, and the node can be configured again."""
        self.end()
        self._take_down()
        return super().on_error(state)

    def end(self) -> None:
        """Cease to be active without a transition, at the end of a program; safe to call twice."""
        serving, self.serving = self.serving, False
        if serving:
            self._all_ended = self._tried(self.close) is not False

    # --- what they are made of --------------------------------------------------------------------------

    def _failed(self, what: str, error: Exception) -> None:
        self.failure = error
        expected = isinstance(error, (ValueError, OSError, ImportError, RuntimeError))
        self.get_logger().error(f"cannot {what}: {printable(error if expected else repr(error))}")

    def _tried(self, action: Callable[[], object]) -> object:
        """One step of an end, the others of which follow whatever happens; False when it went wrong."""
        try:
            return action()
        except Exception as error:
            self.get_logger().error(f"while ending: {printable(repr(error))}")
            return False

    def _may_set_parameters(self, _changes: list[RosParameter[Any]]) -> SetParametersResult:
        reason = "deactivate and clean the node up before changing parameters" if self.configured else ""
        return SetParametersResult(successful=not reason, reason=reason)

    def _new(self, entities: Iterable[Any]) -> list[Any]:
        return [entity for entity in entities if entity not in self._lasting]

    def _take_down(self) -> None:
        if not self.configured:
            return
        while self._undo:
            self._tried(self._undo.pop())
        for service in self._new(self.services):
            # A request that is still being answered has nobody left to be answered to.
            service.send_response = lambda *_: None
            self.destroy_service(service)
        for destroy, entities in (
            (self.destroy_timer, self.timers),
            (self.destroy_subscription, self.subscriptions),
            (self.destroy_client, self.clients),
            (self.destroy_lifecycle_publisher, self.publishers),
            (self.destroy_guard_condition, self.guards),
        ):
            for entity in self._new(entities):
                destroy(entity)
        # A group keeps a reference to every entity it ever had.
        group = self.default_callback_group
        group.entities -= {reference for reference in group.entities if reference() is None}
        self._tried(self.forget)
        self.configured = False


def autostart(node: ManagedNode) -> bool:
    """Configure and activate a node if its parameter says so; False when that failed."""
    if not node.values["autostart"]:
        return True
    return bool(node.trigger_configure() == _OK and node.trigger_activate() == _OK)
