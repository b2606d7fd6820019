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
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from kine_nodes import AUTOSTART, ManagedNode, Parameter, autostart

DONE = TransitionCallbackReturn.SUCCESS


class Job(ManagedNode):
    def __init__(self) -> None:
        super().__init__("job", AUTOSTART | {"greeting": Parameter("good day", "what it answers")})
        self.began = self.closed = 0
        self.undone: list[str] = []
        self.broken = ""
        self.ends = True

    def setup(self) -> None:
        self.heard: list[str] = []
        self.create_subscription(String, "~/words", self.while_active(self.hear), 10)
        self.create_service(Trigger, "~/greet", self.answered_while_active(self.greet))
        self.create_lifecycle_publisher(String, "~/said", 1)
        self.create_client(Trigger, "~/asked")
        self.create_timer(60.0, self.undone.clear)
        self.create_guard_condition(self.undone.clear)
        self.at_cleanup(lambda: self.undone.append("first"))
        self.at_cleanup(lambda: self.undone.append("second"))
        if self.broken == "setup":
            raise ValueError("the greeting is missing")

    def begin(self) -> None:
        self.began += 1
        if self.broken == "begin":
            raise RuntimeError("nobody is there")

    def close(self) -> bool:
        self.closed += 1
        if self.broken == "close":
            raise RuntimeError("it hangs")
        return self.ends

    def made(self) -> list[int]:
        kinds = (self.publishers, self.subscriptions, self.services, self.clients, self.timers, self.guards)
        return [len(list(kind)) for kind in (*kinds, self.default_callback_group.entities)]

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


def test_cleanup_takes_down_all_that_came_up_and_a_new_start_makes_it_once(rig: Rig) -> None:
    job, bare = rig.job, rig.job.made()
    assert job.trigger_configure() == DONE
    made = job.made()
    assert all(now > before for now, before in zip(made, bare, strict=True))
    for _ in range(10):
        job.create_timer(60.0, job.undone.clear)  # while it serves
        assert job.trigger_cleanup() == DONE and job.undone == ["second", "first"]
        assert job.made()[:-1] == bare[:-1]
        job.undone.clear()
        assert job.trigger_configure() == DONE
        assert job.made()[:-1] == made[:-1] and job.made()[-1] <= 2 * made[-1]
    assert job.trigger_activate() == DONE
    assert rig.greet().success
    rig.say("once")
    rig.until(lambda: job.heard)
    assert rig.greet().success and job.heard == ["once"]


@pytest.mark.parametrize("broken", ["setup", "begin"])
def test_a_step_that_fails_leaves_nothing_behind_and_can_be_tried_again(rig: Rig, broken: str) -> None:
    job, bare = rig.job, rig.job.made()
    job.broken = broken
    assert not autostart(job)
    assert str(job.failure) in ("the greeting is missing", "nobody is there")
    assert not job.serving and job.configured == (broken == "begin")
    if broken == "setup":
        assert job.made()[:-1] == bare[:-1] and job.undone == ["second", "first"]
    else:
        assert job.closed == 1 and job.trigger_cleanup() == DONE
    job.broken = ""
    assert autostart(job) and rig.greet().success


def test_what_goes_wrong_at_its_end_does_not_keep_the_rest_from_ending(rig: Rig) -> None:
    job, bare = rig.job, rig.job.made()
    assert autostart(job)
    job.broken = "close"
    assert job.trigger_shutdown() == DONE
    assert not job.serving and job.made()[:-1] == bare[:-1] and job.undone == ["second", "first"]


def test_it_does_not_become_active_while_what_it_did_before_has_not_ended(rig: Rig) -> None:
    job = rig.job
    assert autostart(job)
    job.ends = False
    assert job.trigger_deactivate() == DONE
    assert job.trigger_activate() != DONE and job.began == 1 and "has not ended" in str(job.failure)
    job.ends = True
    assert job.trigger_activate() == DONE and job.began == 2


def test_parameters_are_taken_until_it_is_configured_and_again_after_it_was_cleaned_up(rig: Rig) -> None:
    job, change = rig.job, [RosParameter("greeting", value="good night")]
    assert job.set_parameters([RosParameter("greeting", value="good morning")])[0].successful
    assert autostart(job) and rig.greet().message == "good morning"
    refused = job.set_parameters(change)[0]
    assert not refused.successful and "clean the node up" in refused.reason
    assert job.trigger_deactivate() == DONE and not job.set_parameters(change)[0].successful
    assert job.trigger_cleanup() == DONE and job.set_parameters(change)[0].successful
    assert autostart(job) and rig.greet().message == "good night"


def test_an_answer_under_way_when_its_service_goes_is_dropped(rig: Rig) -> None:
    job = rig.job
    asked: list[Future[None]] = []

    async def greet_later(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        asked.append(Future())
        await asked[0]
        return response

    assert autostart(job)
    job.create_service(Trigger, "~/later", greet_later)
    client = rig.other.create_client(Trigger, "/job/later")
    rig.until(client.service_is_ready)
    answer = client.call_async(Trigger.Request())
    rig.until(lambda: asked)
    assert job.trigger_shutdown() == DONE
    asked[0].set_result(None)
    heard: list[str] = []
    rig.other.create_timer(0.2, lambda: heard.append("still served"))
    rig.until(lambda: heard)
    assert not answer.done()
