"""Bad chunks sent through ROS: each is refused, counted, explained, and nothing of it reaches the arm."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Duration, Time
from driver_rig import Client, DriverProcess, Emulator, Stand, moved_deg


def edited(change: Callable[[Any], None]) -> Callable[[Client, Any], None]:
    return lambda client, message: change(message)


def set_value(point: int, axis: int, value: float) -> Callable[[Client, Any], None]:
    return edited(lambda message: message.points[point].positions.__setitem__(axis, value))


def set_positions(point: int, values: list[float]) -> Callable[[Client, Any], None]:
    return edited(lambda message: setattr(message.points[point], "positions", values))


def set_names(change: Callable[[list[str]], list[str]]) -> Callable[[Client, Any], None]:
    return edited(lambda message: setattr(message, "joint_names", change(message.joint_names)))


def set_age(age_s: float) -> Callable[[Client, Any], None]:
    def change(client: Client, message: Any) -> None:
        stamp_ns = client.node.get_clock().now().nanoseconds - round(age_s * 1e9)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)

    return change


def set_time(point: int, time_s: float) -> Callable[[Client, Any], None]:
    time = Duration(sec=math.floor(time_s), nanosec=round((time_s - math.floor(time_s)) * 1e9))
    return edited(lambda message: setattr(message.points[point], "time_from_start", time))


BAD_CHUNKS: dict[str, tuple[str, str, Callable[[Client, Any], None]]] = {
    "NaN": ("finite", "joint_3 at point 2: nan", set_value(2, 2, math.nan)),
    "infinity": ("finite", "joint_1 at point 0: inf", set_value(0, 0, math.inf)),
    "beyond a limit": (
        "joint_limits",
        "joint_3 at point 2: 3.500 rad is outside [-3.089, 3.089]",
        set_value(2, 2, 3.5),
    ),
    "six joints": ("positions_length", "point 1 has 6", set_positions(1, [0.0] * 6)),
    "seven values": ("positions_length", "point 0 has 7", set_positions(0, [0.0] * 7)),
    "nine values": ("positions_length", "point 4 has 9", set_positions(4, [0.0] * 9)),
    "six names": ("joint_names", "joint_7 is missing", set_names(lambda names: names[:6])),
    "wrong order": (
        "joint_names",
        "order is wrong",
        set_names(lambda names: [names[1], names[0], *names[2:]]),
    ),
    "foreign name": ("joint_names", "'elbow'", set_names(lambda names: [*names[:3], "elbow", *names[4:]])),
    "no points": ("point_count", "0 points", edited(lambda message: message.points.clear())),
    "stale": ("stamp", "s old", set_age(1.5)),
    "from the future": ("stamp", "in the future", set_age(-0.5)),
    "no stamp": ("stamp", "not set", edited(lambda message: setattr(message.header, "stamp", Time()))),
    "large first step": ("first_step", "joint_2 at point 0", set_value(0, 1, 0.349066 + 0.4)),
    "too fast": ("velocity", "joint_6 on the way to point 3", set_value(3, 5, 1.570796 - 0.3)),
    "times not increasing": ("time_order", "point 2", set_time(2, 0.2)),
    "time zero": ("time_order", "point 0", set_time(0, 0.0)),
    "negative time": ("time_order", "point 0", set_time(0, -0.5)),
    "gripper too wide": ("gripper_range", "gripper at point 0: 1.500", set_value(0, 7, 1.5)),
    "velocities": (
        "positions_only",
        "velocities",
        edited(lambda m: setattr(m.points[0], "velocities", [0.0] * 8)),
    ),
}


def test_bad_chunks_send_nothing_are_counted_by_rule_and_said(
    client: Client, emulator: Emulator, start_driver: Callable[..., DriverProcess]
) -> None:
    driver = start_driver(emulator.port, diagnostics_period_s=0.05, max_chunk_age_s=1.0)
    client.wait_state("CONNECTED")
    held = Stand(client, emulator, driver).enable()
    time.sleep(0.5)
    begun_s = time.monotonic()
    rules: dict[str, int] = {}
    for number, (name, (rule, words, spoil)) in enumerate(BAD_CHUNKS.items(), 1):
        message = client.chunk([[*held[:7], 0.5]] * 5)
        spoil(client, message)
        client.publish(message)
        rules[rule] = rules.get(rule, 0) + 1
        values = client.values_when(lambda values, n=number: values["chunks_refused"] == str(n))
        assert words in values["last_refusal"], f"{name}: {values['last_refusal']}"
    frames = emulator.frames(begun_s)
    assert len(frames) > 20
    assert moved_deg(frames) == 0.0, "a refused chunk moved the setpoint"
    assert emulator.requests("set_gripper_position", begun_s) == []
    for rule, count in rules.items():
        assert values[f"refused.{rule}"] == str(count)
    assert values["chunks_accepted"] == "0"
    assert "a chunk was refused (joint_names)" in driver.output
    client.publish(client.chunk([[*held[:7], held[7]]] * 2))
    client.values_when(lambda values: values["chunks_accepted"] == "1")
