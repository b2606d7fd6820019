"""Which status of the controller is the driver's own doing."""

from __future__ import annotations

import pytest

from realman_driver.foreign_motion import LEFTOVER_S, Activity, ForeignMotion

STREAM, PLANNED, NOTHING = Activity.STREAM, Activity.PLANNED, Activity.NOTHING
PERIOD_S = 0.005


class Watch:
    """Feeds one status after the other, at the rate of datagrams."""

    def __init__(self) -> None:
        self._foreign, self.now_s = ForeignMotion(), 100.0

    def see(self, status: str, activity: Activity, count: int = 1) -> str:
        reasons = []
        for _ in range(count):
            self.now_s += PERIOD_S
            reasons.append(self._foreign.judge(status, activity, self.now_s))
        return next(filter(None, reasons), "")


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_day_of_the_arm_is_no_foreign_motion(watch: Watch) -> None:
    day = [
        ("idle", NOTHING, 50),
        ("idle", STREAM, 2),
        ("move_through_joint", STREAM, 500),
        ("move_through_joint", PLANNED, 50),  # the controller still calls the ended stream one
        ("move_J", PLANNED, 400),
        ("move_J", STREAM, 2),  # datagrams under way
        ("move_through_joint", STREAM, 100),
        ("stop", NOTHING, 100),  # our own stop; the controller goes on calling it that
        ("stop", STREAM, 3),
        ("move_through_joint", STREAM, 100),
        ("idle", STREAM, 100),
    ]
    assert [watch.see(*part) for part in day] == [""] * len(day)


@pytest.mark.parametrize(
    "status",
    [
        "stop",
        "slow_stop",
        "pause",
        "move_J",
        "move_L",
        "movev_canfd",
        "current_drag",
        "sensor_drag",
        "something new",
    ],
)
def test_what_the_stream_did_not_do_stops_it_with_the_first_datagram(watch: Watch, status: str) -> None:
    watch.see("move_through_joint", STREAM, 100)
    reason = watch.see(status, STREAM)
    assert f"reports {status}" in reason
    assert "another client or the controller itself" in reason


@pytest.mark.parametrize("status", ["stop", "pause", "move_L", "current_drag"])
def test_what_the_home_motion_did_not_do_stops_it(watch: Watch, status: str) -> None:
    watch.see("move_J", PLANNED, 100)
    assert f"reports {status}" in watch.see(status, PLANNED)


def test_a_controller_that_does_not_say_what_it_does_stops_the_arm(watch: Watch) -> None:
    watch.see("move_through_joint", STREAM, 100)
    assert "arm_current_status is missing" in watch.see("", STREAM)


def test_a_stop_right_after_enable_is_a_stop_when_none_was_there_before(watch: Watch) -> None:
    watch.see("idle", NOTHING, 100)
    assert "reports stop" in watch.see("stop", STREAM)


def test_a_stop_that_was_there_before_may_not_stay(watch: Watch) -> None:
    watch.see("stop", NOTHING, 100)
    tolerated = round(LEFTOVER_S / PERIOD_S) - 1
    assert watch.see("stop", STREAM, tolerated) == ""
    assert "reports stop" in watch.see("stop", STREAM, 5)


def test_a_stop_that_comes_back_is_another_one(watch: Watch) -> None:
    watch.see("stop", NOTHING, 100)
    watch.see("stop", STREAM, 3)
    watch.see("move_through_joint", STREAM, 3)
    assert "reports stop" in watch.see("stop", STREAM)


def test_a_foreign_motion_from_before_is_not_taken_over(watch: Watch) -> None:
    watch.see("move_L", NOTHING, 100)
    assert "reports move_L" in watch.see("move_L", STREAM)


def test_the_last_frames_of_our_stream_may_reach_the_controller_after_a_pause(watch: Watch) -> None:
    watch.see("move_through_joint", STREAM, 100)
    assert watch.see("idle", PLANNED, 20) == ""
    assert watch.see("move_through_joint", PLANNED, 50) == ""


def test_home_right_after_enable_is_not_taken_for_somebody_elses_stream(watch: Watch) -> None:
    watch.see("stop", NOTHING, 100)
    assert watch.see("stop", STREAM, 2) == ""  # the first frames are under way
    assert watch.see("stop", PLANNED, 2) == ""
    assert watch.see("move_through_joint", PLANNED, 60) == ""
    assert watch.see("idle", PLANNED, 5) == ""
    assert watch.see("move_J", PLANNED, 100) == ""
    assert "reports move_through_joint" in watch.see("move_through_joint", PLANNED)


def test_a_stream_that_goes_on_beside_a_home_motion_is_somebody_elses(watch: Watch) -> None:
    watch.see("move_through_joint", STREAM, 100)
    assert "reports move_through_joint" in watch.see("move_through_joint", PLANNED, 300)


def test_while_the_driver_moves_nothing_others_may(watch: Watch) -> None:
    assert watch.see("move_L", NOTHING, 100) == ""
