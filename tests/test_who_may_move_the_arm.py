"""States that span policy, driver and controller: what ends a motion ends it for good."""

from __future__ import annotations

import time

import numpy as np
import pytest

from kine_msgs.msg import DriverState
from kine_sim.tasks import TASKS
from kinevla_policy.demo_client import DemoClient, StackError
from running_stack import RunningStack

POLICY = "kinevla: policy"
STILL_RAD = 3e-3


def begin_motion(stack: RunningStack) -> int:
    """Home, enabled, an instruction that moves the arm; its id."""
    client, alive = stack.client, stack.process.alive
    client.trigger("/realman_driver/reset")
    client.enable()
    home_until_granted(stack)
    client.enable()
    client.wait_for("nobody to move the arm", lambda: not client.driver_state.source, 30, alive)
    answer = client.instruct(TASKS[4].instruction)
    assert answer.accepted, answer.message
    start = np.array(stack.joints()[:7])
    moved = lambda: np.abs(np.array(stack.joints()[:7]) - start).max() > 0.05  # noqa: E731
    client.wait_for("motion", moved, 60, alive)
    return int(answer.instruction_id)


def home_until_granted(stack: RunningStack) -> None:
    """A home motion is refused while a chunk is executed: asked for until it is granted."""
    answers: list[str] = []

    def asked() -> bool:
        answer = stack.client.trigger("/realman_driver/home", 90.0)
        answers.append(answer.message)
        return bool(answer.success)

    try:
        stack.client.wait_for("home", asked, 90, stack.process.alive)
    except StackError as error:
        raise AssertionError(f"{error}; answered: {sorted(set(answers))}") from error


def assert_holds(stack: RunningStack, duration_s: float) -> None:
    held = np.array(stack.joints()[:7])
    plans, end_s = len(stack.client.plans), time.monotonic() + duration_s
    while time.monotonic() < end_s:
        away = np.abs(np.array(stack.joints()[:7]) - held).max()
        assert away < STILL_RAD, f"the arm moved by {away:.3f} rad, nobody had asked for it"
        time.sleep(0.02)
    assert len(stack.client.plans) == plans


def instruction(client: DemoClient) -> int:
    return int(client.diagnostic(POLICY).get("instruction id") or 0)


def ended_because(client: DemoClient) -> str:
    return client.diagnostic(POLICY).get("last instruction ended", "")


@pytest.mark.parametrize("stop", ["estop", "disable", "home"])
def test_after_a_stop_reset_and_enable_the_old_instruction_does_not_go_on(stack: RunningStack, stop: str):
    client, alive = stack.client, stack.process.alive
    number = begin_motion(stack)
    epoch = client.driver_state.epoch
    client.wait_for("the policy as source", lambda: client.driver_state.source == "kinevla", 30, alive)
    if stop == "home":
        home_until_granted(stack)
    else:
        assert client.trigger(f"/realman_driver/{stop}", 90.0).success
    client.wait_for(
        "the end of the instruction",
        # Of this instruction: diagnostics from before it may still be the newest.
        lambda: client.diagnostic(POLICY).get("message") == "idle" and instruction(client) == number,
        30,
        alive,
    )
    # A chunk follows the other: home may be granted only when the policy has come to rest by itself.
    reasons = ("home moves", "done") if stop == "home" else ("not enabled",)
    assert any(reason in ended_because(client) for reason in reasons), ended_because(client)
    if stop != "home":
        assert client.trigger("/realman_driver/reset").success
        client.enable()
    time.sleep(0.5)
    assert client.driver_state.state == DriverState.ENABLED and client.driver_state.epoch > epoch
    assert_holds(stack, 4.0)
    assert client.driver_state.source == ""
    again = client.instruct(TASKS[4].instruction)
    assert again.accepted and again.instruction_id == number + 1, "a new request moves the arm"
    client.trigger("/kinevla/stop")


def test_a_chunk_made_for_an_earlier_epoch_is_refused(stack: RunningStack):
    client, alive = stack.client, stack.process.alive
    begin_motion(stack)
    old = client.chunks[-1]
    client.trigger("/realman_driver/estop")
    client.trigger("/realman_driver/reset")
    client.enable()
    refused = client.driver_state.chunks_refused
    old.header.stamp = client.node.get_clock().now().to_msg()
    publisher = client.node.create_publisher(type(old), "/realman_driver/joint_trajectory", 5)
    client.wait_for("the driver", publisher.get_subscription_count, 30, alive)
    publisher.publish(old)
    client.wait_for("the refusal", lambda: client.driver_state.chunks_refused > refused, 30, alive)
    assert "new request" in client.driver_state.last_refusal
    assert client.driver_state.last_refused == old.header.frame_id
    client.node.destroy_publisher(publisher)
    assert_holds(stack, 1.0)


def test_a_second_source_is_refused_and_the_diagnostics_warn(stack: RunningStack):
    client, alive = stack.client, stack.process.alive
    begin_motion(stack)
    before = int(client.diagnostic("realman_driver: arm").get("refused.source", 0))
    chunk = client.chunks[-1]
    publisher = client.node.create_publisher(type(chunk), "/realman_driver/joint_trajectory", 5)
    client.wait_for("the driver", publisher.get_subscription_count, 30, alive)
    chunk.header.frame_id = "somebody/1"
    chunk.header.stamp = client.node.get_clock().now().to_msg()
    publisher.publish(chunk)
    warned = lambda: "two sources" in client.diagnostic("realman_driver: arm").get("message", "")  # noqa: E731
    client.wait_for("the warning", warned, 30, alive)
    assert int(client.diagnostic("realman_driver: arm")["refused.source"]) > before
    assert client.driver_state.source == "kinevla"
    client.node.destroy_publisher(publisher)
    client.trigger("/kinevla/stop")
