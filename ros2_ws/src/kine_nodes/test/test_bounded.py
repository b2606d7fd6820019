"""Messages that are too large are refused by their size, before anything of them is unpacked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from kine_nodes import bounded, bounded_subscription, intake_of, not_read
from kine_nodes.bounded import BoundedExecutor

LARGE = String(data="x" * 2_000_000)
EXECUTORS: list[Any] = [BoundedExecutor, SingleThreadedExecutor, EventsExecutor]


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("bounded", context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def spin_until(executor: Executor, done: Callable[[], Any]) -> None:
    end_s = time.monotonic() + 20.0
    while not done():
        assert time.monotonic() < end_s, "it did not come"
        executor.spin_once(timeout_sec=0.1)


@pytest.mark.parametrize("kind", EXECUTORS, ids=lambda kind: kind.__name__)
def test_a_message_beyond_its_bound_is_counted_and_never_unpacked(node, kind, monkeypatch):
    unpacked: list[int] = []
    real = bounded.deserialize_message
    monkeypatch.setattr(
        bounded, "deserialize_message", lambda data, type_: unpacked.append(len(data)) or real(data, type_)
    )
    heard: list[str] = []
    sizes: list[int] = []
    subscription = bounded_subscription(
        node, String, "~/words", lambda m: heard.append(m.data), 10, 1000, on_refused=sizes.append
    )
    publisher = node.create_publisher(String, "~/words", 10)
    executor = kind(context=node.context)
    executor.add_node(node)
    spin_until(executor, publisher.get_subscription_count)
    publisher.publish(LARGE)
    publisher.publish(String(data="small"))
    spin_until(executor, lambda: heard and sizes)
    executor.remove_node(node)
    assert heard == ["small"]
    assert sizes[0] > 2_000_000 and max(unpacked) < 1000
    assert intake_of(subscription).refused == 1
    assert not_read(node) == {"too_large./bounded/words": f"1 messages, {sizes[0]} bytes"}


def test_bytes_that_are_no_message_do_not_end_the_node(node):
    heard: list[str] = []
    bounded_subscription(node, String, "~/words", lambda m: heard.append(m.data), 10, 1000)
    publisher = node.create_publisher(String, "~/words", 10)
    executor = BoundedExecutor(context=node.context)
    executor.add_node(node)
    spin_until(executor, publisher.get_subscription_count)
    publisher.publish(serialize_message(String(data="longer"))[:9])
    publisher.publish(String(data="small"))
    spin_until(executor, lambda: heard)
    assert heard == ["small"]
    assert not_read(node) == {"unreadable./bounded/words": "1 messages"}


def test_raw_bytes_are_handed_on_as_they_came(node):
    heard: list[bytes] = []
    bounded_subscription(node, String, "~/words", heard.append, 10, 1000, raw=True)
    publisher = node.create_publisher(String, "~/words", 10)
    executor = BoundedExecutor(context=node.context)
    executor.add_node(node)
    spin_until(executor, publisher.get_subscription_count)
    publisher.publish(String(data="small"))
    spin_until(executor, lambda: heard)
    assert heard == [serialize_message(String(data="small"))]


def test_a_topic_takes_no_more_than_its_share_of_the_time(node):
    """Messages that come faster than the pace are spread, whoever sends them."""
    heard_s: list[float] = []
    bounded_subscription(node, String, "~/words", lambda _: heard_s.append(time.monotonic()), 1000, 1000)
    publisher = node.create_publisher(String, "~/words", 1000)
    executor = BoundedExecutor(context=node.context)
    executor.add_node(node)
    spin_until(executor, publisher.get_subscription_count)
    sender = threading.Thread(target=lambda: [publisher.publish(String(data="x")) for _ in range(200)])
    sender.start()
    spin_until(executor, lambda: len(heard_s) == 200)
    sender.join()
    assert heard_s[-1] - heard_s[0] >= 199 * bounded.MIN_PERIOD_S * 0.99
