"""The driver without ROS, SDK and network: a plain object stands for the arm."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from driver_rig import wait_for
from emulator_rig import best_of
from fake_arm import SENDER, FakeArm

from realman_driver.arm_model import AXIS_NAMES, HOME_RAD
from realman_driver.config import DriverConfig
from realman_driver.driver import Driver
from realman_driver.gate import ChunkPoint, ReceivedChunk
from realman_driver.hooks import DriverHooks
from realman_driver.supervisor import State

ACTIONS = ("enable", "enable", "disable", "estop", "reset", "reset", "chunk", "home", "wait", "wait", "wait")


class Rig:
    """The driver on a fake arm; the time-out of its states is one for a busy computer unless given."""

    def __init__(self, state_timeout_s: float = 1.0) -> None:
        self.arm = FakeArm()
        self.published: list[float] = []
        self.changes: list[tuple[float, State]] = []
        self.logs: list[str] = []
        config = DriverConfig(
            robot_ip=SENDER[0],
            robot_port=SENDER[1],
            reconnect_min_s=0.05,
            black_box_folder="",
            state_timeout_s=state_timeout_s,
        )
        hooks = DriverHooks(
            on_state=lambda state, opening: self.published.append(state.arrived_monotonic_s),
            on_change=lambda before, after, reason: self.changes.append((time.monotonic(), after)),
            log=lambda level, text: self.logs.append(text),
        )
        self.driver = Driver(config, self.arm, hooks)

    def connect(self) -> None:
        wait_for(lambda: self.driver.supervisor.connected, what="a connection")

    def enable(self) -> None:
        decision = self.driver.enable()
        assert decision.ok, decision.text

    def chunk(self, step_rad: float = 0.02, count: int = 5, gripper: float = 1.0) -> ReceivedChunk:
        start = self.driver.streamer.setpoint
        points = tuple(
            ChunkPoint((*(q - step_rad * (k + 1) for q in start[:7]), gripper), 0.1 * (k + 1))
            for k in range(count)
        )
        return ReceivedChunk(AXIS_NAMES, points, 1000.0)

    def send(self, chunk: ReceivedChunk) -> str:
        refusal = self.driver.submit_chunk(chunk, 1000.1)
        return "" if refusal is None else refusal.rule

    def time_of(self, state: State) -> float:
        return float(wait_for(lambda: [s for s, seen in self.changes if seen is state], what=str(state))[-1])


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.driver.start()
    yield rig
    rig.arm.answers_block.set()
    assert rig.driver.close()


def test_an_accepted_chunk_is_executed_to_its_last_point(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    chunk = rig.chunk()
    assert rig.send(chunk) == ""
    wait_for(lambda: rig.arm.frames[-1:] == [chunk.points[-1].positions[:7]], what="the last point")


def test_the_gripper_follows_the_chunk_through_the_request_thread(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.send(rig.chunk(gripper=0.25))
    wait_for(lambda: rig.arm.grips == [0.25], what="a gripper command")


def test_a_gripper_target_of_before_a_stop_is_not_sent_after_the_next_enable(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.arm.answers_block.clear()  # a request hangs
    time.sleep(0.2)
    rig.send(rig.chunk(gripper=0.25))
    wait_for(lambda: rig.driver.streamer.active, what="motion")
    time.sleep(0.3)
    rig.driver.disable().result(20.0)
    rig.driver.enable()
    rig.arm.answers_block.set()
    time.sleep(0.5)
    assert rig.arm.grips == []


def test_nothing_is_sent_before_enable_and_nothing_after_disable(rig: Rig) -> None:
    rig.connect()
    time.sleep(0.1)
    assert rig.arm.frames == []
    rig.enable()
    wait_for(lambda: len(rig.arm.frames) > 5)
    assert rig.driver.disable().result(20.0).ok
    count = len(rig.arm.frames)
    time.sleep(0.1)
    assert len(rig.arm.frames) == count
    assert "stop" in rig.arm.calls


def test_a_stop_is_sent_while_a_request_waits_for_its_answer(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.arm.answers_block.clear()
    time.sleep(0.15)
    # The answer never comes before the end of the test: a stop behind it would not come either.
    assert rig.driver.estop().result(20.0).ok
    assert rig.driver.supervisor.state is State.STOPPED


def test_silence_is_noticed_within_200_ms() -> None:
    rig = Rig(DriverConfig.state_timeout_s)
    rig.driver.start()

    def until_noticed_s() -> float:
        rig.connect()
        time.sleep(0.1)
        rig.changes.clear()
        rig.arm.muted = True
        muted_s = time.monotonic()
        noticed_s = rig.time_of(State.LOST)
        rig.arm.muted = False
        return noticed_s - muted_s

    assert best_of(until_noticed_s, 0.2) < 0.2
    assert rig.driver.close()


def test_old_states_are_not_published_after_a_silence(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    time.sleep(0.1)
    rig.arm.muted = True
    rig.time_of(State.LOST)
    count = len(rig.published)
    frames = len(rig.arm.frames)
    time.sleep(0.1)
    assert (len(rig.published), len(rig.arm.frames)) == (count, frames)
    assert len(set(rig.published)) == len(rig.published), "a state was published twice"
    rig.arm.muted = False
    rig.connect()
    time.sleep(0.1)
    assert len(rig.arm.frames) == frames
    assert rig.driver.supervisor.state is State.CONNECTED


def test_each_connect_is_preceded_by_a_disconnect_after_a_loss(rig: Rig) -> None:
    rig.connect()
    rig.arm.calls.clear()
    rig.arm.muted = True
    rig.time_of(State.LOST)
    wait_for(lambda: rig.arm.calls.count("connect") >= 1)
    assert "stop" in rig.arm.calls[: rig.arm.calls.index("connect")], "no stop before the new connection"
    rig.arm.muted = False
    rig.connect()


def test_a_frame_the_link_does_not_take_means_a_lost_link(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.arm.send_code = -1
    rig.time_of(State.LOST)
    rig.arm.send_code = 0


def test_an_error_of_a_joint_latches_a_stop_and_reset_clears_it(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.arm.state_changes["joint_error_codes"] = (0, 0, 0x40, 0, 0, 0, 0)
    rig.time_of(State.STOPPED)
    assert "joint_3" in rig.driver.supervisor.stop_reason
    assert rig.send(rig.chunk()) == "not_enabled"
    decision = rig.driver.reset().result(20.0)
    assert decision.ok, decision.text
    assert "clear (3,)" in rig.arm.calls
    assert rig.driver.supervisor.state is State.CONNECTED


def test_enable_is_refused_for_a_joint_beyond_its_limit(rig: Rig) -> None:
    rig.arm.position = (0.0, 2.3, 0.0, 1.2, 0.0, 1.5, 0.0)
    rig.connect()
    decision = rig.driver.enable()
    assert not decision.ok
    assert "joint_2 stands at 2.300 rad, outside [-2.269, 2.269] rad" in decision.text


def test_enable_is_refused_while_the_arm_moves_and_a_reset_waits_for_its_end(rig: Rig) -> None:
    rig.connect()
    moving = threading.Event()

    def drift() -> None:
        while not moving.is_set():
            first, *rest = rig.arm.position
            rig.arm.position = (first + 0.002, *rest)
            time.sleep(0.005)

    thread = threading.Thread(target=drift)
    thread.start()
    try:
        wait_for(lambda: rig.driver.link.obstacles(time.monotonic()), what="the motion to be seen")
        decision = rig.driver.enable()
        assert not decision.ok
        assert "joint_1 is moving at" in decision.text
        assert rig.driver.supervisor.state is State.CONNECTED
        assert rig.arm.frames == []
        rig.driver.estop().result(5.0)
        threading.Timer(0.1, moving.set).start()
        assert rig.driver.reset().result(5.0).ok
    finally:
        moving.set()
        thread.join()
    rig.enable()


def test_home_ends_enabled_and_holds_home(rig: Rig) -> None:
    rig.connect()
    rig.enable()
    rig.send(rig.chunk(step_rad=0.05))
    wait_for(lambda: not rig.driver.streamer.active)
    decision = rig.driver.home().result(20.0)
    assert decision.ok, decision.text
    assert "move 20" in rig.arm.calls
    count = len(rig.arm.frames)
    wait_for(lambda: len(rig.arm.frames) > count + 5)
    assert rig.arm.frames[-1] == rig.driver.config.home_joints_rad


def test_an_unreachable_arm_is_tried_again_and_the_cause_is_said_once() -> None:
    rig = Rig()
    rig.arm.reachable = False
    rig.driver.start()
    wait_for(lambda: rig.arm.calls.count("connect") >= 3)
    assert sum("Connection refused" in text for text in rig.logs) == 1
    rig.arm.reachable = True
    rig.connect()
    assert rig.driver.close()


def test_closing_stops_a_moving_arm_and_leaves_no_thread() -> None:
    before = {thread.name for thread in threading.enumerate()}
    rig = Rig()
    rig.driver.start()
    rig.connect()
    rig.enable()
    rig.send(rig.chunk(count=40))
    time.sleep(0.1)
    begun_s = time.monotonic()
    assert rig.driver.close()
    assert time.monotonic() - begun_s < 5.0
    assert "stop" in rig.arm.calls
    assert rig.arm.calls[-1] == "disconnect"
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith("realman")]


def test_no_frame_is_ever_sent_outside_enabled_whatever_people_do(rig: Rig) -> None:
    """Random commands in random order; every frame must fall into a time in which the state was ENABLED."""
    rig.connect()
    chance = random.Random(7)
    driver, arm = rig.driver, rig.arm
    wrong: list[State] = []
    send = arm.send_setpoint_rad

    def watched(position_rad: tuple[float, ...]) -> int:
        if driver.supervisor.state is not State.ENABLED and stopped_s[0] + 0.2 < time.monotonic():
            wrong.append(driver.supervisor.state)
        return send(position_rad)

    stopped_s = [0.0]
    driver.streamer._send = watched
    for _ in range(200):
        action = chance.choice(ACTIONS)
        if action == "chunk":
            rig.send(rig.chunk(step_rad=0.001))
        elif action == "wait":
            time.sleep(chance.uniform(0.0, 0.06))
        else:
            if action in ("disable", "estop", "home"):
                stopped_s[0] = time.monotonic()
            getattr(driver, action)()
    assert wrong == []
    assert len(arm.frames) > 10


def test_a_frame_that_was_due_when_a_stop_came_is_not_sent(rig: Rig) -> None:
    """The stop comes in its own thread, also between the stream's look at the state and the frame."""
    rig.connect()
    rig.enable()
    rig.driver.supervisor.latch_stop("emergency stop requested")
    frames = len(rig.arm.frames)
    assert rig.driver._send_frame(HOME_RAD) == 0
    assert len(rig.arm.frames) == frames
    assert not rig.driver.streamer.engaged


def test_enabling_and_stopping_at_once_ends_with_the_arm_stopped(rig: Rig) -> None:
    rig.connect()
    for _ in range(20):
        wait_for(lambda: rig.driver.reset().result(20.0).ok, what="a reset")
        enabler = threading.Thread(target=rig.driver.enable)
        enabler.start()
        assert rig.driver.estop().result(20.0).ok
        enabler.join()
        frames = len(rig.arm.frames)
        time.sleep(0.03)
        assert len(rig.arm.frames) == frames
        assert rig.driver.supervisor.state is State.STOPPED
