"""A client of one stack never enables or instructs another one in the same ROS domain."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from kine_msgs.msg import DriverState
from kine_msgs.srv import Instruct
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DRIVER_STATE_TOPIC
from kine_nodes.own_domain import OwnDomain
from kinevla_policy.demo_client import DemoClient, StackError
from kinevla_policy.policy_diagnostics import NAME, STACK_ID

MINE, OTHERS = "mine", "somebody else's"


class FakeStack:
    """A driver and a policy that only say whose they are and count what is asked of them."""

    def __init__(self, driver_id: str, policy_id: str = MINE) -> None:
        self.asked: list[str] = []
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("fake_stack", context=self._context)
        states = self._node.create_publisher(DriverState, DRIVER_STATE_TOPIC, DRIVER_STATE_QOS)
        diagnostics = self._node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        policy = DiagnosticStatus(name=NAME, values=[KeyValue(key=STACK_ID, value=policy_id)])
        state = DriverState(state=DriverState.ENABLED, epoch=1, stack_id=driver_id)
        self._node.create_timer(0.1, lambda: states.publish(state))
        self._node.create_timer(0.1, lambda: diagnostics.publish(DiagnosticArray(status=[policy])))
        for name in ("enable", "estop"):
            self._node.create_service(Trigger, f"/realman_driver/{name}", self._answer(name))
        self._node.create_service(Instruct, "/kinevla/instruct", self._answer("instruct"))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _answer(self, name: str):
        def answer(request, response):
            self.asked.append(name)
            setattr(response, "accepted" if name == "instruct" else "success", True)
            return response

        return answer

    def _spin(self) -> None:
        while not self._done.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def domain() -> Iterator[None]:
    with OwnDomain():
        yield


@pytest.mark.parametrize("driver_id", [OTHERS, ""])
def test_a_driver_that_was_not_started_here_is_never_enabled_but_may_be_stopped(domain, driver_id):
    stack, client = FakeStack(driver_id), DemoClient(stack_id=MINE)
    try:
        with pytest.raises(StackError, match="enable is not called: the driver in this ROS domain"):
            client.enable()
        with pytest.raises(StackError, match="instruct is not called: the driver"):
            client.instruct("turn on the stove")
        assert stack.asked == []
        assert client.trigger("/realman_driver/estop").success
        assert stack.asked == ["estop"]
    finally:
        client.close()
        stack.close()


def test_the_own_stack_is_enabled_and_instructed(domain):
    stack, client = FakeStack(MINE), DemoClient(stack_id=MINE)
    try:
        client.enable()
        assert client.instruct("turn on the stove").accepted
        assert stack.asked == ["enable", "instruct"]
    finally:
        client.close()
        stack.close()


def test_a_policy_that_was_not_started_here_is_not_instructed(domain):
    stack, client = FakeStack(MINE, policy_id=OTHERS), DemoClient(stack_id=MINE)
    try:
        with pytest.raises(StackError, match="instruct is not called: the policy in this ROS domain"):
            client.instruct("turn on the stove")
        assert stack.asked == []
    finally:
        client.close()
        stack.close()


def test_a_second_driver_beside_the_own_one_keeps_both_from_being_enabled(domain):
    own, client = FakeStack(MINE), DemoClient(stack_id=MINE)
    client.wait_for("the own driver", lambda: client.driver_state, 20.0, lambda: True)
    other = FakeStack(OTHERS)
    try:
        seen = lambda: client.node.count_services("/realman_driver/enable") == 2  # noqa: E731
        client.wait_for("the other driver", seen, 20.0, lambda: True)
        with pytest.raises(StackError, match="enable is not called"):
            client.enable()
        assert own.asked == other.asked == []
    finally:
        client.close()
        other.close()
        own.close()


def test_without_a_word_of_the_driver_nothing_is_called(domain):
    client = DemoClient(stack_id=MINE)
    try:
        obstacle = client._handshake.obstacle("/realman_driver/enable", 0.2)
        assert "it says nothing, ours is 'mine'" in obstacle
    finally:
        client.close()
