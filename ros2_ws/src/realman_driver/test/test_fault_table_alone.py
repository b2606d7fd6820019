"""Rows of docs/reference/faults.md for which the driver needs parameters or a clock of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for

SLOW = pytest.mark.slow


def test_a_full_disk_costs_the_bag_and_nothing_else(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "box"
    stand = Stand(
        client, emulator, start_driver(emulator.port, black_box_folder=folder, black_box_min_free_mb=1e6)
    )
    client.wait_state("CONNECTED")
    stand.start_slow_motion()
    assert client.call("estop").success
    client.values_when(lambda values: "must stay free" in values["black_box_last"], 60.0)
    assert client.call("reset").success
    stand.enable()


@pytest.mark.slow
def test_a_stop_leaves_a_bag_of_the_last_seconds(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, tmp_path: Path
) -> None:
    stand = Stand(client, emulator, start_driver(emulator.port, black_box_folder=tmp_path / "box"))
    client.wait_state("CONNECTED")
    stand.start_slow_motion()
    assert client.call("estop").success
    values = client.values_when(lambda values: values["black_box_bags"] == "1", 60.0)
    assert list(Path(values["black_box_last"]).glob("*.mcap"))


@pytest.mark.parametrize("step_s", [pytest.param(-3600, marks=SLOW), 3600])
def test_a_clock_that_is_set_neither_moves_nor_locks_the_arm(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, step_s: int
) -> None:
    """The driver's ROS clock follows /clock here, so that it can be set without setting the computer's."""
    from builtin_interfaces.msg import Time
    from rosgraph_msgs.msg import Clock

    publisher, off_s = client.node.create_publisher(Clock, "/clock", 10), [0.0]

    def now() -> Time:
        ns = round((1e9 + time.monotonic() + off_s[0]) * 1e9)
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)

    timer = client.node.create_timer(0.01, lambda: publisher.publish(Clock(clock=now())))
    stand = Stand(client, emulator, start_driver(emulator.port, use_sim_time=True))
    try:
        client.wait_state("CONNECTED", 30.0)
        start = stand.enable()

        def moves(direction: float) -> None:
            before = int(client.diagnostics[-1][3]["chunks_accepted"])
            points = [[start[0] + direction * 0.02 * k, *start[1:]] for k in range(1, 5)]
            message = client.chunk(points)

            def accepted() -> bool:
                message.header.stamp = now()
                client.publish(message)
                time.sleep(0.2)
                return int(client.diagnostics[-1][3]["chunks_accepted"]) > before

            wait_for(accepted, 30.0, "a chunk that is taken")

        moves(1.0)
        stale = client.chunk([[start[0] - 0.1, *start[1:]]])
        stale.header.stamp = now()
        off_s[0] = float(step_s)
        client.values_when(lambda values: int(values["clock_steps"]) > 0, 30.0)
        refused = int(client.diagnostics[-1][3]["chunks_refused"])
        client.publish(stale)
        client.values_when(lambda values: int(values["chunks_refused"]) > refused, 30.0)
        moves(-1.0)
        assert client.diagnostics[-1][3]["state"] == "ENABLED"
        assert emulator.state()["unsafe_frames"] == 0
    finally:
        client.node.destroy_timer(timer)
        client.node.destroy_publisher(publisher)
