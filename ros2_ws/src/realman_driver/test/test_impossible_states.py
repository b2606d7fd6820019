"""States no arm can have, motions nobody here asked for, an arm that does not follow; on a fake arm."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from driver_rig import wait_for
from fake_arm import raw_state
from test_driver import Rig

from realman_driver.arm_model import HOME_RAD
from realman_driver.supervisor import State


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.driver.start()
    rig.connect()
    yield rig
    rig.arm.answers_block.set()
    assert rig.driver.close()


def stopped_because(rig: Rig) -> str:
    """Wait for the latched stop; nothing is sent after it, also after reset. Its reason."""
    rig.time_of(State.STOPPED)
    reason = rig.driver.supervisor.stop_reason
    wait_for(lambda: "stop" in rig.arm.calls, what="a stop")
    time.sleep(0.05)
    frames = len(rig.arm.frames)
    assert not rig.driver.enable().ok, "enabled without a reset"
    time.sleep(0.05)
    assert len(rig.arm.frames) == frames
    return reason


def go_on(rig: Rig) -> None:
    wait_for(lambda: rig.driver.reset().result(20.0).ok, what="a reset")
    wait_for(lambda: rig.driver.enable().ok, what="enable")


@pytest.mark.parametrize("status", ["stop", "move_L", "current_drag", "pause", "a motion of tomorrow", ""])
def test_a_motion_or_stop_of_somebody_else_latches_a_stop(rig: Rig, status: str) -> None:
    rig.enable()
    rig.send(rig.chunk(count=40))
    rig.arm.state_changes["motion"] = status
    reason = stopped_because(rig)
    assert (status or "does not say") in reason
    rig.arm.state_changes.clear()
    go_on(rig)


def test_a_stop_the_controller_goes_on_reporting_is_no_obstacle_once_the_arm_takes_frames(rig: Rig) -> None:
    rig.arm.state_changes["motion"] = "stop"
    time.sleep(0.1)
    rig.enable()
    time.sleep(0.1)
    rig.arm.state_changes["motion"] = "move_through_joint"
    time.sleep(0.6)
    assert rig.driver.supervisor.state is State.ENABLED


@pytest.mark.parametrize("status", ["pause", "move_L", "move_through_joint", ""])
def test_an_arm_that_somebody_else_moves_is_not_enabled(rig: Rig, status: str) -> None:
    rig.arm.state_changes["motion"] = status
    wait_for(lambda: rig.driver.link.newest.motion == status, what="that status")
    decision = rig.driver.enable()
    assert not decision.ok
    assert "of another client" in decision.text


def test_positions_that_freeze_during_a_chunk_latch_a_stop(rig: Rig) -> None:
    rig.enable()
    rig.arm.holds = True
    rig.send(rig.chunk(step_rad=0.05, count=40))
    assert "does not follow" in stopped_because(rig)
    # Half of the chunk's way; what exactly is in test_following.py, without a busy computer in between.
    assert abs(rig.arm.frames[-1][0] - rig.arm.position[0]) < 1.0
    rig.arm.holds = False
    go_on(rig)
    assert rig.arm.frames[-1:] != [], "the stream holds again"
    assert rig.driver.streamer.setpoint[:7] == pytest.approx(rig.arm.position, abs=1e-6)


def test_an_arm_that_somebody_pushes_away_latches_a_stop(rig: Rig) -> None:
    rig.enable()
    time.sleep(0.1)
    rig.arm.holds = True
    for _ in range(30):
        first, *rest = rig.arm.position
        rig.arm.position = (first + 0.005, *rest)
        time.sleep(0.01)
    assert "joint_1 does not follow" in stopped_because(rig)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"position_rad": (math.pi / 2, *HOME_RAD[1:])}, "joint_1: 1.5"),
        ({"defect_rule": "missing", "defect": "joint_position: joint_7 is null"}, "joint_7 is null"),
    ],
)
def test_states_that_are_not_believed_any_more_latch_a_stop(
    rig: Rig, changes: dict[str, Any], word: str
) -> None:
    rig.enable()
    time.sleep(0.1)
    rig.arm.state_changes |= changes
    reason = stopped_because(rig)
    assert "state datagrams in a row are not believed" in reason
    assert word in reason
    rig.arm.state_changes.clear()
    go_on(rig)


def test_a_few_datagrams_that_are_not_believed_are_no_reason_to_stop(rig: Rig) -> None:
    rig.enable()
    for _ in range(rig.driver.config.max_unbelieved_states - 1):
        rig.driver._receive_state(raw_state(defect_rule="parse", defect="nonsense"))
    assert rig.driver.supervisor.state is State.ENABLED
    assert rig.driver.link.keeper.doubts["parse"] == rig.driver.config.max_unbelieved_states - 1


def test_datagrams_of_somebody_else_cannot_stop_the_arm(rig: Rig) -> None:
    rig.enable()
    for _ in range(100):
        rig.driver._receive_state(raw_state(sender_ip="10.0.0.9", motion="stop"))
    time.sleep(0.05)
    assert rig.driver.supervisor.state is State.ENABLED


@pytest.mark.parametrize("degrees", [5, 60])
def test_an_arm_that_stands_elsewhere_than_the_datagrams_say_is_not_enabled(rig: Rig, degrees: int) -> None:
    elsewhere = (math.radians(degrees), *HOME_RAD[1:])
    rig.arm.asked_position = elsewhere
    wait_for(lambda: rig.driver.link.disagreement, what="a comparison")
    decision = rig.driver.enable()
    assert not decision.ok
    assert (
        f"joint_1 stands at {elsewhere[0]:.3f} rad when asked, the state datagrams say 0.000 rad"
        in decision.text
    )
    assert rig.arm.frames == []
    rig.arm.asked_position = None
    wait_for(lambda: not rig.driver.link.disagreement, what="another comparison")
    rig.enable()


def test_positions_that_freeze_during_the_home_motion_latch_a_stop(rig: Rig) -> None:
    rig.enable()
    rig.send(rig.chunk(step_rad=0.05))
    wait_for(lambda: not rig.driver.streamer.active, what="the end of the chunk")
    rig.arm.start_move_rad = lambda *_: None  # type: ignore[method-assign]  # no datagram shows the motion
    answer = rig.driver.home()
    rig.arm.asked_position = HOME_RAD
    assert "when asked, the state datagrams say" in stopped_because(rig)
    assert not answer.result(20.0).ok
    rig.arm.asked_position = None


@pytest.mark.parametrize(
    "codes", [{"joint_error_codes": (0, 1 << 17, 0, 0, 0, 0, 0)}, {"system_error_codes": (-1,)}]
)
def test_an_error_of_any_width_and_one_that_cannot_be_read_latch_a_stop(
    rig: Rig, codes: dict[str, Any]
) -> None:
    rig.enable()
    rig.arm.state_changes |= codes
    assert "reports" in stopped_because(rig)
