"""A user drives the arm through ROS: the node and the emulated controller run as processes."""

from __future__ import annotations

import math
import statistics
import time

from driver_rig import Client, DriverProcess, Emulator, wait_for


def test_a_chunk_moves_the_arm_to_its_last_point_within_a_millidegree(
    client: Client, emulator: Emulator, driver: DriverProcess
) -> None:
    assert client.call("enable").success
    start = client.position()
    points = [[q + 0.0731 * (k + 1) for q in start[:7]] + [0.3] for k in range(5)]
    client.publish(client.chunk(points))
    time.sleep(1.2)
    goal_deg = [math.degrees(q) for q in points[-1][:7]]
    last_frame = emulator.frames()[-1]["joints_deg"]
    assert max(abs(a - b) for a, b in zip(last_frame, goal_deg, strict=True)) <= 0.00051, "not the nearest mdeg"
    measured = [math.degrees(q) for q in client.position()[:7]]
    assert max(abs(a - b) for a, b in zip(measured, goal_deg, strict=True)) <= 0.001
    assert abs(client.position()[7] - 0.3) < 0.01
