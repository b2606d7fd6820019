"""Subscriptions whose messages have a largest size, looked at before anything of a message is unpacked.

Unpacking happens with the interpreter locked and takes eight seconds for a hundred megabytes: a stop that is
asked for meanwhile would come too late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from kine_nodes import serialized_take

SMALL_BYTES = 65_536
"""Bound for joint states, plans, and all that has some hundred values and short texts."""
DIAGNOSTICS_BYTES = 1_048_576
"""Bound for `diagnostic_msgs/DiagnosticArray`."""
IMAGE_BYTES = 16_777_216
"""Bound for images, raw or compressed: a raw one of 2560 x 1440 pixels of 4 bytes fits."""
# No sender makes a node spend its time on one topic: a faster one overwrites its messages in the middleware.
MIN_PERIOD_S = 0.0005
LOG_PERIOD_S = 2.0


class Intake:
    """The callback of such a subscription: judges the size of a message, unpacks it, hands it on.

    Attributes:
        refused: messages that were too large.
        refused_bytes: their size in all.
        unreadable: messages that are none of this type.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        max_bytes: int,
        raw: bool,
        on_refused: Callable[[int], None] | None,
    ) -> None:
        self._node, self._kind, self._callback, self._raw = node, kind, callback, raw
        self._on_refused = on_refused
        self.topic, self.max_bytes = topic, max_bytes
        self.refused = self.refused_bytes = self.unreadable = 0
        self._last_s = 0.0

    def __call__(self, data: bytes) -> None:
        """Take a serialised message; also where the executor is not one that knows the bound."""
        if len(data) > self.max_bytes:
            self.refuse(len(data))
            return
        self._pace()
        message: Any = data
        if not self._raw:
            try:
                message = deserialize_message(data, self._kind)
            except Exception as error:  # the middleware's own kinds; bytes of anybody must not end a node
                self.unreadable += 1
                self._say(f"{len(data)} bytes on {self.topic} cannot be read: {str(error)[:200]}")
                return
        self._callback(message)

    def refuse(self, size: int) -> None:
        """Count and tell a message of so many bytes."""
        self._pace()
        self.refused += 1
        self.refused_bytes += size
        if self._on_refused is not None:
            self._on_refused(size)
        self._say(
            f"a message of {size} bytes on {self.topic} is not read, the bound is {self.max_bytes} bytes"
        )

    def take(self, subscription: Subscription[Any]) -> Callable[[], Any] | None:
        """Take the next message without locking the interpreter; what remains to be done with it."""
        try:
            data = serialized_take.take(subscription, self.max_bytes)
        except InvalidHandle:  # destroyed meanwhile
            return None
        except RuntimeError as error:  # no memory for it, for one
            self.unreadable += 1
            self._say(str(error))
            return None
        if data is None:
            return None

        async def finish() -> None:
            if isinstance(data, int):
                self.refuse(data)
            else:
                self(data)

        return finish

    def _say(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=LOG_PERIOD_S)

    def _pace(self) -> None:
        early_s = self._last_s + MIN_PERIOD_S - time.monotonic()
        if early_s > 0.0:
            time.sleep(early_s)
        self._last_s = time.monotonic()


def bounded_subscription(
    node: Node,
    kind: type,
    topic: str,
    callback: Callable[[Any], None],
    qos: QoSProfile | int,
    max_bytes: int,
    *,
    raw: bool = False,
    on_refused: Callable[[int], None] | None = None,
    callback_group: CallbackGroup | None = None,
) -> Subscription[Any]:
    """Subscribe; a message of more than `max_bytes` is counted, said in the log and never unpacked.

    Args:
        node, kind, topic, qos, callback_group: as `Node.create_subscription` takes them.
        callback: takes the message, or with `raw` its bytes.
        max_bytes: largest size of a serialised message.
        raw: hand on bytes.
        on_refused: told the size of each message that is too large.
    """
    intake = Intake(node, kind, node.resolve_topic_name(topic), callback, max_bytes, raw, on_refused)
    return node.create_subscription(kind, topic, intake, qos, raw=True, callback_group=callback_group)


def intake_of(subscription: Subscription[Any]) -> Intake:
    """The intake of a bounded subscription: its counts and its bound."""
    intake = subscription.callback
    assert isinstance(intake, Intake)
    return intake


def not_read(node: Node) -> dict[str, str]:
    """For the node's diagnostics: what was too large or unreadable, one entry per topic that had any."""
    values: dict[str, str] = {}
    for subscription in node.subscriptions:
        one = subscription.callback
        if isinstance(one, Intake) and one.refused:
            values[f"too_large.{one.topic}"] = f"{one.refused} messages, {one.refused_bytes} bytes"
        if isinstance(one, Intake) and one.unreadable:
            values[f"unreadable.{one.topic}"] = f"{one.unreadable} messages"
    return values


class BoundedExecutor(SingleThreadedExecutor):
    """A single-threaded executor in which a message that is too large holds up no other thread."""

    def _take_subscription(self, sub: Subscription[Any]) -> Callable[[], Any] | None:
        if isinstance(sub.callback, Intake):
            return sub.callback.take(sub)
        return super()._take_subscription(sub)
