"""A stop is heard whatever else its node is busy with."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from kine_nodes import StopLane


class Client:
    """Another process as far as ROS is concerned: a participant and a thread of its own."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("other", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def call(self, name: str) -> str:
        client = self.node.create_client(Trigger, name)
        assert client.wait_for_service(20.0), f"no service {name}"
        future = client.call_async(Trigger.Request())
        self.executor.spin_until_future_complete(future, timeout_sec=20.0)
        return str(future.result().message)

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("busy", context=context, cli_args=["--ros-args", "-r", "~/stop:=/halt"])
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def answer(text: str):
    def serve(_request, response):
        response.message = text
        return response

    return serve


def test_a_stop_is_answered_while_a_callback_of_the_node_hangs(node, client):
    lane = StopLane(node)
    lane.serve(Trigger, "~/estop", answer("stopped"))
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        over.wait(60.0)

    timer = node.create_timer(0.01, hang)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin_once)
    thread.start()
    assert begun.wait(20.0)
    assert client.call("/busy/estop") == "stopped"
    assert thread.is_alive(), "the callback was over before the stop was answered"
    over.set()
    thread.join()
    timer.destroy()
    lane.close()


def test_the_service_has_the_name_that_the_node_would_give_it(node, client):
    lane = StopLane(node)
    lane.serve(Trigger, "~/stop", answer("halted"))
    assert client.call("/halt") == "halted"
    lane.close()


def test_a_stop_that_waits_for_the_arm_does_not_hold_up_the_next_one(node, client):
    lane = StopLane(node)
    works: list[Future[str]] = []

    async def serve(_request, response):
        works.append(Future())
        response.message = await lane.result_of(works[-1])
        return response

    lane.serve(Trigger, "~/estop", serve)
    with ThreadPoolExecutor() as pool:
        other = Client()
        first, second = pool.submit(client.call, "/busy/estop"), pool.submit(other.call, "/busy/estop")
        end_s = time.monotonic() + 20.0
        while len(works) < 2:
            assert time.monotonic() < end_s, "the second stop waits for the first"
            time.sleep(0.01)
        for number, work in enumerate(works):
            work.set_result(f"stop {number}")
        assert {first.result(20.0), second.result(20.0)} == {"stop 0", "stop 1"}
        other.close()
    lane.close()


def test_a_stop_whose_service_fails_leaves_the_lane_alive(node, client):
    lane = StopLane(node)

    def fail(_request, _response):
        raise RuntimeError("no")

    lane.serve(Trigger, "~/broken", fail)
    lane.serve(Trigger, "~/estop", answer("stopped"))
    broken = client.node.create_client(Trigger, "/busy/broken")
    assert broken.wait_for_service(20.0)
    broken.call_async(Trigger.Request())
    assert client.call("/busy/estop") == "stopped"
    lane.close()


def test_its_end_leaves_neither_service_nor_thread(node, client):
    lane = StopLane(node)
    lane.serve(Trigger, "~/estop", answer("stopped"))
    assert client.call("/busy/estop") == "stopped"
    lane.close()
    lane.close()
    assert "stop-lane" not in {thread.name for thread in threading.enumerate()}
    end_s = time.monotonic() + 20.0
    while "busy_stop" in client.node.get_node_names():
        assert time.monotonic() < end_s, "the lane is still in the graph"
        time.sleep(0.05)


ENDED_BY_ITS_CONTEXT = """
import rclpy
from rclpy.node import Node
from kine_nodes import StopLane

class Stoppable(Node):
    def __init__(self):
        super().__init__("stoppable")
        self.lane = StopLane(self)

    def destroy_node(self):
        self.lane.close()
        super().destroy_node()

rclpy.init()
node = Stoppable()
rclpy.try_shutdown()
"""


def test_a_program_that_is_interrupted_while_its_node_is_loading_ends():
    """The end of the default context destroys the node, and with it the lane."""
    done = subprocess.run([sys.executable, "-c", ENDED_BY_ITS_CONTEXT], timeout=100, check=False)
    assert done.returncode == 0
