"""A stop's own way in: a service with a participant, an executor and a thread that serve nothing else.

Whatever the node itself is busy with (a picture, a flood of messages, a callback that hangs), the stop is
heard. Its participant is its own because one participant receives all its topics in one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import Service
from rclpy.task import Future as RosFuture


class StopLane:
    """Services that are served in a thread of their own, from the making of this object to its `close`.

    Args:
        node: whose stop it is. Names are resolved as this node's are, remaps included; the services appear
            under its name with `_stop` behind it.
    """

    def __init__(self, node: Node) -> None:
        self._main = node
        self._context = rclpy.Context()
        # With the arguments of the process: they may name an enclave. The node itself takes none of them.
        rclpy.init(context=self._context, domain_id=node.context.get_domain_id())
        self._node = Node(
            f"{node.get_name()}_stop",
            namespace=node.get_namespace(),
            context=self._context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        # A stop that waits for the arm's answer must not keep the next one waiting.
        self._group = ReentrantCallbackGroup()
        self._closing = False
        self._thread = threading.Thread(target=self._spin, name="stop-lane", daemon=True)
        self._thread.start()

    def serve(self, kind: type, name: str, callback: Callable[[Any, Any], Any]) -> Service[Any, Any]:
        """Offer a service; `callback` takes request and response and may be a coroutine."""
        service = self._node.create_service(
            kind, self._main.resolve_service_name(name), callback, callback_group=self._group
        )
        self._executor.wake()
        return service

    def result_of(self, work: Future[Any]) -> RosFuture[Any]:
        """What a coroutine of this lane can await: done, with the result or the error, when `work` is."""
        answer: RosFuture[Any] = RosFuture(executor=self._executor)

        def done(finished: Future[Any]) -> None:
            error = finished.exception()
            if error is None:
                answer.set_result(finished.result())
            else:
                answer.set_exception(error if isinstance(error, Exception) else RuntimeError(str(error)))
            self._executor.wake()

        work.add_done_callback(done)
        return answer

    def close(self) -> None:
        """End services and thread. Safe to call twice."""
        if self._closing:
            return
        self._closing = True
        self._executor.wake()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)
        self._executor.shutdown(timeout_sec=0.5)
        self._node.destroy_node()
        # Not `rclpy.try_shutdown`: that waits for the default context, whose end may be what closes the lane.
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closing and self._context.ok():
            try:
                self._executor.spin_once(timeout_sec=0.5)
            except ExternalShutdownException:
                return
            except Exception as error:  # this thread has to stay alive: it is the stop
                self._main.get_logger().error(f"a stop was not served: {type(error).__name__}: {error}")
