"""The states and what leads from one to another."""

from __future__ import annotations

import pytest

from realman_driver.supervisor import State, Supervisor


class Rig:
    def __init__(self) -> None:
        self.changes: list[tuple[State, State]] = []
        self.supervisor = Supervisor(lambda before, after, reason: self.changes.append((before, after)))


@pytest.fixture
def supervisor() -> Supervisor:
    return Rig().supervisor


def test_connecting_never_enables(supervisor: Supervisor) -> None:
    assert supervisor.state is State.DISCONNECTED
    supervisor.link_up("RM75")
    assert supervisor.state is State.CONNECTED


def test_enable_is_refused_without_a_connection_and_says_why(supervisor: Supervisor) -> None:
    supervisor.link_failed("127.0.0.1:8080: Connection refused")
    decision = supervisor.enable([])
    assert not decision.ok
    assert "not connected (127.0.0.1:8080: Connection refused)" in decision.text


def test_enable_is_refused_with_every_obstacle_named(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    decision = supervisor.enable(["the newest state is 0.400 s old", "joint_3 reports error 0x0040"])
    assert not decision.ok
    assert "0.400 s old" in decision.text
    assert "joint_3" in decision.text
    assert supervisor.state is State.CONNECTED


def test_a_stop_is_latched_until_reset_and_reset_does_not_enable(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.enable([])
    assert supervisor.latch_stop("emergency stop requested")
    assert supervisor.state is State.STOPPED
    refused = supervisor.enable([])
    assert not refused.ok
    assert "emergency stop requested" in refused.text
    assert supervisor.reset([]).ok
    assert supervisor.state is State.CONNECTED


def test_reset_is_refused_while_errors_remain(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.latch_stop("joint_3 reports error 0x0040")
    decision = supervisor.reset(["joint_3 reports error 0x0040 (overcurrent)"])
    assert not decision.ok
    assert "overcurrent" in decision.text
    assert supervisor.state is State.STOPPED


def test_the_first_reason_of_a_stop_stays(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.latch_stop("joint_3 reports error")
    assert not supervisor.latch_stop("emergency stop requested")
    assert supervisor.stop_reason == "joint_3 reports error"


def test_after_a_lost_link_the_arm_stays_disabled(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.enable([])
    assert supervisor.link_lost("no state for 0.151 s")
    assert not supervisor.link_lost("again"), "only the first caller acts"
    assert supervisor.state is State.LOST
    supervisor.link_up("RM75")
    assert supervisor.state is State.CONNECTED


def test_a_stop_survives_a_lost_link(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.enable([])
    supervisor.link_lost("gone")
    supervisor.latch_stop("emergency stop requested")
    supervisor.link_up("RM75")
    assert supervisor.state is State.STOPPED


def test_reset_needs_a_connection(supervisor: Supervisor) -> None:
    supervisor.latch_stop("emergency stop requested")
    assert "not connected" in supervisor.reset([]).text


def test_home_is_allowed_from_enabled_only(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    assert "CONNECTED" in supervisor.begin_homing([]).text
    supervisor.enable([])
    assert "chunk" in supervisor.begin_homing(["a chunk is being executed"]).text
    assert supervisor.begin_homing([]).ok
    assert supervisor.state is State.HOMING
    assert not supervisor.begin_homing([]).ok
    supervisor.end_homing("home reached")
    assert supervisor.state is State.ENABLED


def test_every_change_is_told_once() -> None:
    rig = Rig()
    supervisor = rig.supervisor
    supervisor.link_up("RM75")
    supervisor.enable([])
    supervisor.enable([])
    supervisor.disable()
    supervisor.disable()
    assert rig.changes == [
        (State.DISCONNECTED, State.CONNECTED),
        (State.CONNECTED, State.ENABLED),
        (State.ENABLED, State.CONNECTED),
    ]


def test_a_stop_that_comes_while_a_reset_is_under_way_stays_latched(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    supervisor.latch_stop("joint_3 reports error 0x0040")
    asked_after = supervisor.stops
    supervisor.latch_stop("emergency stop requested")
    decision = supervisor.reset([], asked_after)
    assert not decision.ok
    assert "after the reset was asked for (emergency stop requested)" in decision.text
    assert supervisor.state is State.STOPPED and supervisor.stop_reason == "emergency stop requested"
    assert supervisor.reset([], supervisor.stops).ok


def test_each_enabled_is_a_new_epoch_and_nothing_else_is(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75")
    assert supervisor.right.epoch == 0 and not supervisor.right.granted
    supervisor.enable([])
    first = supervisor.right.epoch
    assert supervisor.right.granted and supervisor.enable([]).ok and supervisor.right.epoch == first
    supervisor.begin_homing([])
    assert not supervisor.right.granted
    supervisor.end_homing("home reached")
    assert supervisor.right.epoch == first + 1
    supervisor.disable()
    supervisor.enable([])
    assert supervisor.right.epoch == first + 2


def test_the_reason_of_each_state_is_told(supervisor: Supervisor) -> None:
    supervisor.link_up("RM75-B")
    assert supervisor.reason == "RM75-B"
    supervisor.enable([])
    supervisor.disable()
    assert supervisor.reason == "disabled on request"
    supervisor.latch_stop("emergency stop requested")
    assert supervisor.reason == "emergency stop requested"
    supervisor.link_lost("no state for 0.16 s")
    assert supervisor.reason == "no state for 0.16 s"
