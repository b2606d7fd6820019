"""Which datagrams are believed, and how old a state is."""

from __future__ import annotations

import math

import pytest
from fake_arm import SENDER, raw_state

from realman_driver.arm_model import HOME_RAD, RATED_LIMITS
from realman_driver.error_codes import describe_errors
from realman_driver.state import StateKeeper

ZEROS = (0.0,) * 7


@pytest.fixture
def keeper() -> StateKeeper:
    keeper = StateKeeper(SENDER)
    keeper.set_reference((0.1, 0.4, 0.1, 1.2, 0.1, 1.5, 0.7), 100.0, RATED_LIMITS)
    return keeper


def near(**changes: object) -> object:
    position = changes.pop("position_rad", (0.1, 0.4, 0.1, 1.2, 0.1, 1.5, 0.7))
    return raw_state(position, **{"arrived_monotonic_s": 100.005, **changes})  # type: ignore[arg-type]


def test_a_sound_datagram_becomes_the_newest_state_with_the_time_of_its_arrival(keeper: StateKeeper) -> None:
    state = keeper.accept(near(arrived_ros_ns=123_456_789))  # type: ignore[arg-type]
    assert state is not None
    assert state.arrived_ros_ns == 123_456_789
    assert keeper.newest is state
    assert keeper.age_s(100.105) == pytest.approx(0.1)


NAN_JOINT = (0.1, math.nan, 0.1, 1.2, 0.1, 1.5, 0.7)
WILD_JOINT = (0.1, 0.4, 0.1, 1.2, 0.1, 9.5, 0.7)
SIX_VALUES = (0.1, 0.4, 0.1, 1.2, 0.1, 1.5, 0.0)


@pytest.mark.parametrize(
    ("changes", "rule", "word"),
    [
        ({"parse_code": -3}, "parse", "-3"),
        ({"sender_ip": "10.0.0.9"}, "sender", "10.0.0.9"),
        ({"sender_port": 8081}, "sender", "8081"),
        ({"position_rad": NAN_JOINT}, "finite", "joint_2"),
        ({"position_rad": WILD_JOINT}, "range", "joint_6: 9.500 rad"),
        ({"position_rad": ZEROS}, "missing", "joint_2"),
        ({"position_rad": SIX_VALUES}, "missing", "joint_7"),
        ({"position_rad": (0.1,) * 6}, "length", "6"),
        ({"voltage_v": ZEROS, "temperature_c": ZEROS}, "missing", "voltages"),
    ],
)
def test_an_unsound_datagram_is_not_believed_and_counted(
    keeper: StateKeeper, changes: dict[str, object], rule: str, word: str
) -> None:
    assert keeper.accept(near(**changes)) is None  # type: ignore[arg-type]
    assert keeper.newest is None
    assert keeper.doubts == {rule: 1}
    assert word in keeper.last_doubt


def test_a_datagram_the_sdk_could_not_attribute_is_believed_from_our_address_only(
    keeper: StateKeeper,
) -> None:
    assert keeper.accept(near(sender_port=0)) is not None  # type: ignore[arg-type]
    assert keeper.accept(near(sender_port=0, sender_ip="10.0.0.9")) is None  # type: ignore[arg-type]


def test_values_that_stay_missing_are_never_believed(keeper: StateKeeper) -> None:
    for k in range(1, 200):
        late_s = 100.0 + 0.005 * k
        assert keeper.accept(near(position_rad=SIX_VALUES, arrived_monotonic_s=late_s)) is None  # type: ignore[arg-type]


def test_an_arm_that_truly_stands_at_zero_is_believed() -> None:
    keeper = StateKeeper(SENDER)
    keeper.set_reference((0.0,) * 6 + (0.01,), 100.0, RATED_LIMITS)
    assert keeper.accept(raw_state(ZEROS, arrived_monotonic_s=100.005)) is not None


def test_nothing_is_believed_before_a_position_was_read_by_request() -> None:
    keeper = StateKeeper(SENDER)
    assert keeper.accept(raw_state()) is None
    assert keeper.age_s(0.0) == math.inf


def test_a_large_move_that_is_no_missing_value_is_believed(keeper: StateKeeper) -> None:
    assert keeper.accept(near(position_rad=HOME_RAD)) is not None  # type: ignore[arg-type]


def test_after_a_restart_the_old_state_is_gone(keeper: StateKeeper) -> None:
    keeper.accept(near())  # type: ignore[arg-type]
    keeper.restart()
    assert keeper.newest is None


def test_the_rate_counts_the_last_second(keeper: StateKeeper) -> None:
    for k in range(300):
        keeper.accept(near(arrived_monotonic_s=100.0 + 0.005 * k))  # type: ignore[arg-type]
    assert keeper.rate_hz(101.5) == pytest.approx(200.0, abs=1.0)


def test_errors_and_joints_without_power_are_named(keeper: StateKeeper) -> None:
    state = keeper.accept(
        near(  # type: ignore[arg-type]
            joint_error_codes=(0, 0, 0x0040, 0, 0, 0, 0),
            system_error_codes=(0x100D, 0),
            joint_enabled=(True, False, True, True, True, True, True),
        )
    )
    assert state is not None
    text = "; ".join(state.troubles())
    for words in ("joint_3", "0x0040 (overcurrent)", "0x100D (collision)", "joint_2 is not enabled"):
        assert words in text


def test_codes_of_zero_are_no_errors() -> None:
    assert describe_errors((0,) * 7, (0, 0)) == ()


def test_the_velocity_is_that_of_the_last_moments(keeper: StateKeeper) -> None:
    assert keeper.velocity_rad_s() is None
    for number in range(20):
        position = (0.1, 0.4, 0.1 + 0.3 * 0.005 * number, 1.2, 0.1, 1.5, 0.7)
        keeper.accept(near(position_rad=position, arrived_monotonic_s=100.005 + 0.005 * number))  # type: ignore[arg-type]
    velocity = keeper.velocity_rad_s()
    assert velocity is not None
    assert velocity == pytest.approx((0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0), abs=1e-9)


def test_the_velocity_is_not_told_from_states_that_are_long_apart(keeper: StateKeeper) -> None:
    keeper.accept(near(arrived_monotonic_s=100.0))  # type: ignore[arg-type]
    keeper.accept(near(arrived_monotonic_s=101.0))  # type: ignore[arg-type]
    assert keeper.velocity_rad_s() is None
