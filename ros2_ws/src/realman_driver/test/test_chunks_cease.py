"""Chunks that cease in mid-motion: the driver brakes on the last one and holds, and says so.

Through the driver node, the SDK and the emulated controller, judged by the controller's record of the joints.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from driver_rig import Client, Stand, child_environment, wait_for
from joint_judgement import assert_rests, judge, record_since
from trajectory_msgs.msg import JointTrajectory

from kine_sim.controller.record_judge import last_motion_s

TOPIC = "/realman_driver/joint_trajectory"
PERIOD_S, POINTS, SPEED_RAD_S = 0.1, 5, 0.3
LAST_CHUNK_S = PERIOD_S * POINTS
# A chunk every 0.3 s, each along the same line of joint 1, until somebody ends the process.
PUBLISHER = f"""
import time, sys
from driver_rig import Client, wait_for
client = Client()
wait_for(client.listeners, 60.0, "the driver")
start, began_s = [float(v) for v in sys.argv[1:]], time.monotonic()
while True:
    ahead = {SPEED_RAD_S} * (time.monotonic() - began_s + {PERIOD_S})
    points = [[start[0] + ahead + {SPEED_RAD_S * PERIOD_S} * k, *start[1:]] for k in range({POINTS})]
    client.publish(client.chunk(points, {PERIOD_S}))
    print(points[-1][0], time.monotonic(), flush=True)
    time.sleep(0.3)
"""


@contextmanager
def no_other_source(client: Client) -> Iterator[None]:
    """The test's own publisher would count as a source of chunks."""
    client.node.destroy_publisher(client._chunks)
    try:
        yield
    finally:
        client._chunks = client.node.create_publisher(JointTrajectory, TOPIC, 5)


def start_publisher(stand: Stand) -> tuple[subprocess.Popen[str], list[float]]:
    """A source of chunks in a process of its own; its start (8,)."""
    start = stand.enable()
    command = [sys.executable, "-c", PUBLISHER, *map(str, start)]
    source = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment())
    wait_for(lambda: stand.client.position()[0] - start[0] > 0.25, 90.0, "a motion of joint 1")
    return source, start


def judge_rest(stand: Stand, source: subprocess.Popen[str], began_s: float) -> None:
    """The arm came to rest at the last point it was sent, in time, and holds there."""
    assert source.stdout is not None
    last_rad, sent_s = map(float, source.stdout.read().split()[-2:])
    stand.client.values_when(lambda values: values["chunk_active"] == "false", 30.0)
    time.sleep(0.5)
    rests_s = time.monotonic()
    time.sleep(0.8)
    assert_rests(stand, rests_s)
    times, joints = record_since(stand, began_s)
    assert joints[-1, 0] == pytest.approx(last_rad, abs=0.01), "not at the end of the last chunk"
    assert joints[:, 0].max() < last_rad + 0.01, "beyond the end of the last chunk"
    moved_s = last_motion_s(times, joints) - sent_s
    print(f"at rest {moved_s:.2f} s after the last chunk of {LAST_CHUNK_S} s was sent")
    assert moved_s < LAST_CHUNK_S + 2.0
    speed = np.abs(np.diff(joints[:, 0])).max()
    assert speed > 0.0, "the record shows no motion"
    judge(stand, began_s)
    assert stand.emulator.requests("set_arm_stop", began_s) == [], "a stop for nothing"
    assert stand.emulator.frames(rests_s), "the stream ended, the arm is not held"


@pytest.mark.slow
def test_a_killed_source_of_chunks_is_reported_and_the_arm_holds(stand: Stand) -> None:
    with no_other_source(stand.client):
        source, _ = start_publisher(stand)
        began_s = time.monotonic()
        source.kill()
        source.wait()
        judge_rest(stand, source, began_s)
        gone = "the source of chunks is gone"
        wait_for(lambda: gone in stand.client.diagnostics[-1][2], 60.0, "a word about the source")
        print(
            f"reported {time.monotonic() - began_s:.1f} s after the kill: {stand.client.diagnostics[-1][2]}"
        )
        assert stand.client.diagnostics[-1][1] == "ENABLED"
        assert stand.client.diagnostics[-1][3]["chunk_sources"] == "0"
    goal = stand.client.position()
    stand.client.publish(stand.client.chunk([[goal[0] - 0.02 * k, *goal[1:]] for k in range(1, 6)]))
    wait_for(lambda: goal[0] - stand.client.position()[0] > 0.05, 30.0, "motion with a new source")


@pytest.mark.slow
def test_a_source_that_falls_silent_lets_the_arm_brake_and_hold(stand: Stand) -> None:
    """The process lives and its publisher too, as with a policy that hangs."""
    client, start = stand.client, stand.enable()
    began_s = time.monotonic()
    for k in range(4):
        first = start[0] + SPEED_RAD_S * PERIOD_S * (3 * k + 1)
        points = [[first + SPEED_RAD_S * PERIOD_S * i, *start[1:]] for i in range(POINTS)]
        client.publish(client.chunk(points, PERIOD_S))
        time.sleep(3 * PERIOD_S)
    sent_s = time.monotonic()
    values = client.values_when(
        lambda v: v["chunk_active"] == "false" and float(v["chunk_age_s"]) > 1.0, 30.0
    )
    assert values["state"] == "ENABLED" and values["stop_reason"] == ""
    rests_s = time.monotonic()
    time.sleep(0.8)
    assert_rests(stand, rests_s)
    times, joints = record_since(stand, began_s)
    assert joints[-1, 0] <= points[-1][0] + 0.01
    assert joints[-1, 0] - joints[0, 0] > 0.1, "it hardly moved"
    print(f"at rest {last_motion_s(times, joints) - sent_s:+.2f} s after the next chunk was due")
    judge(stand, began_s)
    assert stand.emulator.frames(rests_s), "the stream ended, the arm is not held"
