"""The paced stream, with a clock of the test's own and with the real thread."""

from __future__ import annotations

import math
import threading
import time

import pytest
from driver_rig import wait_for
from emulator_rig import best_of

from realman_driver.gate import Chunk, Refusal
from realman_driver.streamer import Streamer, frame_fault

HOLD = (0.1,) * 7 + (1.0,)


class Rig:
    def __init__(self) -> None:
        self.frames: list[tuple[float, ...]] = []
        self.grips: list[float] = []
        self.failures: list[tuple[str, bool]] = []
        self.code = 0
        self.now_s = 100.0
        self.streamer = Streamer(self.send, self.grips.append, lambda now_s: None, self.fail)

    def send(self, frame: tuple[float, ...]) -> int:
        self.frames.append(frame)
        return self.code

    def fail(self, text: str, link_is_gone: bool) -> None:
        self.failures.append((text, link_is_gone))

    def tick(self, count: int = 1, period_s: float = 0.01) -> None:
        for _ in range(count):
            self.now_s += period_s
            self.streamer.tick(self.now_s)

    def run_chunk(self, *values: float, gripper: float = 1.0) -> Refusal | None:
        points = tuple((value,) * 7 + (gripper,) for value in values)
        chunk = Chunk(tuple(0.1 * (k + 1) for k in range(len(values))), points)
        return self.streamer.submit(lambda setpoint: chunk, self.now_s)


def test_nothing_is_sent_before_it_is_engaged() -> None:
    rig = Rig()
    rig.tick(20)
    assert rig.frames == []


def test_the_held_setpoint_is_sent_every_period_while_engaged() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.tick(50)
    assert rig.frames == [HOLD[:7]] * 50


def test_a_chunk_ends_exactly_at_its_last_point_and_is_held() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    assert rig.run_chunk(0.11, 0.12) is None
    rig.tick(40)
    assert rig.frames[9][0] == pytest.approx(0.11, abs=0.005)
    assert rig.frames[30:] == [(0.12,) * 7] * 10


def test_no_frame_follows_a_halt() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.run_chunk(0.2, 0.3)
    rig.tick(5)
    rig.streamer.halt()
    rig.tick(20)
    assert len(rig.frames) == 5


def test_a_chunk_is_refused_while_not_engaged() -> None:
    rig = Rig()
    refusal = rig.run_chunk(0.2)
    assert refusal is not None
    assert refusal.rule == "not_enabled"


def test_a_refused_chunk_leaves_the_running_one_alone() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.run_chunk(0.12)
    rig.tick(3)
    refusal = Refusal("finite", "joint_1", math.nan, "finite", "joint_1: nan")
    assert rig.streamer.submit(lambda setpoint: refusal, rig.now_s) is refusal
    rig.tick(150)
    assert rig.frames[-1] == (0.12,) * 7


def test_a_stall_delays_the_motion_and_never_makes_a_frame_jump() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.run_chunk(0.12, 0.15, 0.18, 0.21, 0.24)
    rig.tick(20)
    rig.tick(1, period_s=0.5)
    rig.tick(80)
    steps = [abs(b[0] - a[0]) for a, b in zip(rig.frames, rig.frames[1:], strict=False)]
    steady = max(steps[:18])
    assert steady < max(steps) <= 2.5 * steady
    assert rig.frames[-1] == (0.24,) * 7


def test_a_frame_the_link_does_not_take_ends_the_stream_and_is_told() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.tick(2)
    rig.code = -1
    rig.tick(5)
    assert len(rig.frames) == 3
    assert rig.failures == [("a frame could not be sent: -1 (sending failed, the link is gone)", True)]


def test_a_frame_beyond_ten_degrees_is_never_sent() -> None:
    last = (0.0,) * 7
    assert frame_fault((0.17,) * 7, last) is None
    fault = frame_fault((0.0,) * 6 + (0.18,), last)
    assert fault is not None
    assert "joint_7" in fault
    assert "0.180 rad" in fault
    assert "0.175 rad" in fault
    assert "joint_1" in str(frame_fault((math.nan,) * 7, last))


def test_the_gripper_is_sent_on_change_only_and_not_too_often() -> None:
    rig = Rig()
    rig.streamer.engage(HOLD, rig.now_s)
    rig.run_chunk(0.1, 0.1, 0.1, gripper=0.99)
    rig.tick(40)
    assert rig.grips == [], "0.01 is within the dead band"
    rig.run_chunk(0.1, 0.1, 0.1, gripper=0.4)
    rig.tick(40)
    assert rig.grips == [0.4]
    for value in (0.5, 0.6, 0.7, 0.8):
        rig.run_chunk(0.1, gripper=value)
        rig.tick(3)
    rig.tick(20)
    assert len(rig.grips) <= 4, "more than one command per 0.1 s"
    assert rig.grips[-1] == 0.8


def test_the_thread_keeps_its_rate_and_its_watchdog_even_when_not_engaged() -> None:
    seen: list[float] = []
    sent: list[float] = []

    def send(frame: tuple[float, ...]) -> int:
        sent.append(time.monotonic())
        return 0

    streamer = Streamer(send, lambda value: None, seen.append, lambda text, gone: None)
    streamer.start()
    wait_for(lambda: len(seen) >= 10, what="the watchdog, not engaged")
    assert sent == []
    streamer.engage(HOLD, time.monotonic())

    def off_the_rate() -> float:
        """How far one second's frames are off a hundred; a busy computer loses some, and never adds any."""
        sent.clear()
        time.sleep(1.0)
        count, rate_hz = len(sent), streamer.statistics(time.monotonic()).rate_hz
        assert max(rate_hz, count / (sent[-1] - sent[0] + 0.01)) <= 110.0
        return 100.0 - min(count, rate_hz)

    assert best_of(off_the_rate, 15.0) < 15.0
    assert streamer.close(20.0)
    assert "realman-stream" not in [thread.name for thread in threading.enumerate()]
