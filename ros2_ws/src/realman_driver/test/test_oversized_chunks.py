"""Chunks of any size and number: refused before they are unpacked, and a stop does not wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for
from emulator_rig import best_of
from rclpy.serialization import serialize_message

from realman_driver.driver_node import max_chunk_bytes

POINTS = 50_000  # 5.2 MB


def memory_mb(driver: DriverProcess) -> int:
    lines = Path(f"/proc/{driver.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1000


@pytest.fixture
def oversized(client: Client) -> bytes:
    position = [0.0, 0.35, 0.0, 1.22, 0.0, 1.57, 0.0, 1.0]
    message = client.chunk([position])
    message.points *= POINTS
    data = bytes(serialize_message(message))
    assert len(data) > 5_000_000
    return data


def test_an_oversized_chunk_is_refused_by_its_size_and_counted(
    stand: Stand, oversized: bytes, client: Client
) -> None:
    stand.enable()
    stand.client.publish(oversized)
    values = client.values_when(lambda values: int(values.get("refused.size", 0)) > 0)
    assert (
        f"a message of {len(oversized)} bytes is not read, the bound is {max_chunk_bytes(50)} bytes"
        in (values["last_refusal"])
    )
    assert values["state"] == "ENABLED"


def test_a_stop_comes_through_while_oversized_chunks_come_in(
    stand: Stand, oversized: bytes, client: Client
) -> None:
    """Ten megabytes a second; unpacked, each chunk would hold a stop up for half a second."""

    def until_stopped_s() -> float:
        wait_for(lambda: client.call("reset").success, 20.0, "a reset")
        stand.enable()
        for _ in range(3):
            client.publish(oversized)
        called_s = time.monotonic()
        call = client.begin_call("estop")
        stops = wait_for(lambda: stand.emulator.requests("set_arm_stop", called_s), 20.0, "a stop")
        assert client.finish_call(call).success
        return float(stops[0]["time_s"]) - called_s

    assert best_of(until_stopped_s, 0.1) < 0.3


def test_memory_is_given_back_after_a_flood_of_oversized_chunks(
    stand: Stand, oversized: bytes, client: Client
) -> None:
    stand.enable()
    before_mb = memory_mb(stand.driver)
    already = int(client.diagnostics[-1][3].get("refused.size", 0))
    for _ in range(40):
        client.publish(oversized)
        time.sleep(0.02)
    client.values_when(lambda values: int(values.get("refused.size", 0)) > already + 5)
    wait_for(lambda: memory_mb(stand.driver) < before_mb + 30, 20.0, "the memory that is given back")


def test_the_bound_follows_the_points_that_are_allowed(
    emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client, oversized: bytes
) -> None:
    start_driver(emulator.port, max_chunk_points=1000)
    client.wait_state("CONNECTED")
    message = client.chunk([[0.0] * 8] * 1000)
    assert len(serialize_message(message)) < max_chunk_bytes(1000)
    client.publish(message)
    client.values_when(lambda values: int(values.get("refused.not_enabled", 0)) == 1)
    client.publish(oversized)
    client.values_when(lambda values: int(values.get("refused.size", 0)) == 1)
