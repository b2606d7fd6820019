"""What a node may conclude from the driver's state."""

from __future__ import annotations

from kine_msgs.msg import DriverState
from kine_nodes.driver_watch import SILENT_S, DriverWatch, not_enabled


def enabled(**changes: object) -> DriverState:
    return DriverState(**({"state": DriverState.ENABLED, "epoch": 5} | changes))


def test_nothing_begins_before_the_driver_was_heard_nor_while_it_is_silent() -> None:
    watch = DriverWatch("kinevla")
    assert "not been heard" in watch.obstacle(10.0)
    watch.take(enabled(), 10.0)
    assert watch.obstacle(10.5) == ""
    assert "silent for 3.5 s" in watch.obstacle(10.0 + SILENT_S + 0.5)


def test_nothing_begins_while_the_arm_is_not_enabled_and_the_reason_is_told() -> None:
    watch = DriverWatch("kinevla")
    watch.take(DriverState(state=DriverState.STOPPED, reason="joint_3 reports error 0x0040"), 10.0)
    assert watch.obstacle(10.0) == (
        "the arm is not enabled: the driver is STOPPED (joint_3 reports error 0x0040)"
    )
    assert not_enabled(None) and not_enabled(enabled()) == ""
    assert "unknown state 99" in not_enabled(DriverState(state=99))


def test_nothing_begins_while_another_source_moves_the_arm() -> None:
    watch = DriverWatch("kinevla")
    watch.take(enabled(source="kine_teleop"), 10.0)
    assert watch.obstacle(10.0) == "kine_teleop moves the arm"
    watch.take(enabled(source="kinevla"), 10.1)
    assert watch.obstacle(10.1) == ""


def test_what_began_in_an_earlier_epoch_has_ended_even_if_the_time_between_was_not_seen() -> None:
    watch = DriverWatch("kinevla")
    watch.take(enabled(), 10.0)
    assert watch.ended(5, 10.0) == ""
    watch.take(enabled(epoch=6), 11.0)
    assert watch.ended(5, 11.0) == "the arm was enabled anew meanwhile"


def test_an_arm_that_only_waits_to_be_enabled_is_not_missing() -> None:
    watch = DriverWatch("kinevla")
    assert "not been heard" in watch.missing(10.0)
    watch.take(DriverState(state=DriverState.DISCONNECTED, reason="192.168.1.18:8080: No route"), 10.0)
    assert "192.168.1.18:8080: No route" in watch.missing(10.0)
    watch.take(DriverState(state=DriverState.CONNECTED), 10.0)
    assert watch.missing(10.0) == ""
    assert "silent" in watch.missing(20.0)
