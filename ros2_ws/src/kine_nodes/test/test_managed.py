"""Nodes with one job: done while the node is active, and not otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from kine_nodes import AUTOSTART, ManagedNode, Parameter, autostart

DONE = TransitionCallbackReturn.SUCCESS


class Job(ManagedNode):
    def __init__(self) -> None:
        super().__init__("job", AUTOSTART | {"greeting": Parameter("good day", "what it answers")})
        self.began = self.closed = 0

    def setup(self) -> None:
        self.heard: list[str] = []
        self.create_subscription(String, "~/words", self.while_active(self.hear), 10)
        self.create_service(Trigger, "~/greet", self.answered_while_active(self.greet))

    def begin(self) -> None:
        self.began += 1

    def close(self) -> None:
        self.closed += 1

    def hear(self, message: String) -> None:
        self.heard.append(message.data)

    def greet(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, self.values["greeting"]
        return response


class Rig:
    def __init__(self) -> None:
        self.job, self.other = Job(), Node("other")
        self._words = self.other.create_publisher(String, "/job/words", 10)
        self._client = self.other.create_client(Trigger, "/job/greet")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.job)
        self._executor.add_node(self.other)

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline_s, "not within 30 s"
            self._executor.spin_once(timeout_sec=0.05)

    def greet(self) -> Trigger.Response:
        self.until(self._client.service_is_ready)
        future = self._client.call_async(Trigger.Request())
        self.until(future.done)
        return future.result()

    def say(self, word: str) -> None:
        self.until(lambda: self._words.get_subscription_count() == 1)
        self._words.publish(String(data=word))


@pytest.fixture
def rig() -> Iterator[Rig]:
    rclpy.init()
    try:
        yield Rig()
    finally:
        rclpy.shutdown()


def test_it_serves_only_while_it_is_active(rig: Rig) -> None:
    job = rig.job
    assert job.trigger_configure() == DONE
    assert (rig.greet().success, rig.greet().message) == (False, "job is not active")
    rig.say("too early")
    assert rig.greet().message == "job is not active"  # answered later than the word came
    assert job.trigger_activate() == DONE and job.began == 1
    assert (rig.greet().success, rig.greet().message) == (True, "good day")
    rig.say("now")
    rig.until(lambda: job.heard)
    assert job.heard == ["now"]
    assert job.trigger_deactivate() == DONE and job.closed == 1
    assert not rig.greet().success
    assert job.trigger_activate() == DONE and job.began == 2
    assert rig.greet().success


def test_at_the_end_it_is_closed_once_from_whatever_state(rig: Rig) -> None:
    assert autostart(rig.job)
    assert rig.job.trigger_shutdown() == DONE
    assert rig.job.closed == 1


def test_without_autostart_it_waits_for_somebody_to_activate_it(rig: Rig) -> None:
    rig.job.values["autostart"] = RosParameter("autostart", value=False).value
    assert autostart(rig.job)
    assert not rig.job.serving and rig.job.began == 0
