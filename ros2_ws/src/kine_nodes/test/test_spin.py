import os
import signal
import subprocess
import sys
import time

import pytest
import rclpy

from kine_nodes import Parameter, declare

NODE = """
import time, rclpy, kine_nodes
from std_msgs.msg import String
kine_nodes.init()
node = rclpy.create_node("ending")
publisher = node.create_publisher(String, "last_words", 1)
print("up", flush=True)
kine_nodes.spin_until_signal(node)
time.sleep(0.5)
publisher.publish(String(data="bye"))
print("context alive" if rclpy.ok() else "context gone", flush=True)
rclpy.try_shutdown()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sent_twice_still_gives_an_orderly_end(number):
    process = subprocess.Popen(
        [sys.executable, "-c", NODE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    os.kill(process.pid, number)
    time.sleep(0.2)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert output == "context alive\n"
    assert process.returncode == 0


LOADING = """
import time, rclpy, kine_nodes
kine_nodes.init()
try:
    print("loading", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("interrupted", flush=True)
    rclpy.try_shutdown()
"""


def test_a_node_that_is_still_loading_ends_at_once():
    process = subprocess.Popen(
        [sys.executable, "-c", LOADING], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == "interrupted\n"
    assert process.returncode == 0


TABLE = {
    "rate_hz": Parameter(10.0, "rate, Hz", 1.0, 60.0),
    "count": Parameter(3, "a count", 1, 5),
    "name": Parameter("x", "a name"),
}


@pytest.fixture
def node_with():
    contexts = []

    def make(*arguments: str):
        context = rclpy.Context()
        rclpy.init(context=context)
        contexts.append(context)
        return rclpy.create_node("params", context=context, cli_args=["--ros-args", *arguments])

    yield make
    for context in contexts:
        rclpy.try_shutdown(context=context)


def test_values_given_at_start_replace_the_defaults(node_with):
    values = declare(node_with("-p", "rate_hz:=20.0"), TABLE)
    assert values == {"rate_hz": 20.0, "count": 3, "name": "x"}


def test_a_value_outside_its_bounds_is_refused(node_with):
    with pytest.raises(ValueError, match=r"count is 9, must be within \[1, 5\]"):
        declare(node_with("-p", "count:=9"), TABLE)


def test_a_value_of_another_type_is_refused(node_with):
    with pytest.raises(ValueError, match="rate_hz"):
        declare(node_with("-p", "rate_hz:=fast"), TABLE)


def test_bounds_and_text_can_be_read_from_outside(node_with):
    node = node_with()
    declare(node, TABLE)
    described = node.describe_parameter("rate_hz")
    assert described.description == "rate, Hz"
    assert described.floating_point_range[0].to_value == 60.0
    assert described.read_only
