"""Which datagrams are believed, and how old a state is."""

from __future__ import annotations

import math

import pytest
from fake_arm import SENDER, raw_state

from realman_driver.arm_model import JOINT_NAMES, MAX_SPEED_RAD_S, RATED_LIMITS
from realman_driver.error_codes import describe_errors
from realman_driver.state import StateKeeper

ZEROS = (0.0,) * 7
HERE = (0.1, 0.4, 0.1, 1.2, 0.1, 1.5, 0.7)


@pytest.fixture
def keeper() -> StateKeeper:
    keeper = StateKeeper(SENDER[0])
    keeper.set_reference(HERE, 100.0, RATED_LIMITS)
    return keeper


def near(**changes: object) -> object:
    position = changes.pop("position_rad", HERE)
    return raw_state(position, **{"arrived_monotonic_s": 100.005, **changes})  # type: ignore[arg-type]


def test_a_sound_datagram_becomes_the_newest_state_with_the_time_of_its_arrival(keeper: StateKeeper) -> None:
    state = keeper.accept(near(arrived_ros_ns=123_456_789))  # type: ignore[arg-type]
    assert state is not None
    assert state.arrived_ros_ns == 123_456_789
    assert keeper.newest is state
    assert keeper.age_s(100.105) == pytest.approx(0.1)


WILD_JOINT = (0.1, 0.4, 0.1, 1.2, 0.1, 9.5, 0.7)
SIX_VALUES = (0.1, 0.4, 0.1, 1.2, 0.1, 1.5, 0.0)


@pytest.mark.parametrize(
    ("changes", "rule", "word"),
    [
        ({"defect_rule": "parse", "defect": "5 bytes that are no JSON"}, "parse", "no JSON"),
        ({"sender_ip": "10.0.0.9"}, "sender", "10.0.0.9"),
        ({"position_rad": WILD_JOINT}, "range", "joint_6: 9.500 rad"),
        ({"position_rad": ZEROS}, "jump", "joint_2"),
        ({"position_rad": SIX_VALUES}, "jump", "joint_7: 0.700 rad in 5 ms"),
    ],
)
def test_an_unsound_datagram_is_not_believed_and_counted(
    keeper: StateKeeper, changes: dict[str, object], rule: str, word: str
) -> None:
    assert keeper.accept(near(**changes)) is None  # type: ignore[arg-type]
    assert keeper.newest is None
    assert keeper.doubts == {rule: 1}
    assert word in keeper.last_doubt


def moved(joint: int, by_rad: float) -> tuple[float, ...]:
    return tuple(angle + by_rad * (index == joint) for index, angle in enumerate(HERE))


@pytest.mark.parametrize("joint", range(7), ids=JOINT_NAMES)
def test_a_joint_that_moves_as_fast_as_it_can_is_believed(keeper: StateKeeper, joint: int) -> None:
    for k in range(1, 100):
        way_rad = -0.5 * MAX_SPEED_RAD_S[joint] * (1.0 - math.cos(0.005 * k))
        raw = near(position_rad=moved(joint, way_rad), arrived_monotonic_s=100.0 + 0.005 * k)
        assert keeper.accept(raw) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [35, 60, 90])
def test_a_joint_that_jumps_within_5_ms_is_not_believed_however_long_it_stays_there(
    keeper: StateKeeper, degrees: int
) -> None:
    position = moved(2, math.pi * degrees / 180)
    for k in range(1, 20):
        assert keeper.accept(near(position_rad=position, arrived_monotonic_s=100.0 + 0.005 * k)) is None  # type: ignore[arg-type]
        assert keeper.accept(near(position_rad=position, arrived_monotonic_s=200.0)) is None  # type: ignore[arg-type]
    assert "joint_3" in keeper.last_doubt


def test_a_joint_that_creeps_faster_than_it_can_is_not_believed(keeper: StateKeeper) -> None:
    """5 rad/s in steps of 25 mrad, each of which is small."""
    refused = [
        keeper.accept(near(position_rad=moved(0, 0.025 * k), arrived_monotonic_s=100.0 + 0.005 * k)) is None  # type: ignore[arg-type]
        for k in range(1, 41)
    ]
    assert any(refused)
    assert keeper.newest is not None
    assert keeper.newest.position_rad[0] < HERE[0] + 1.1 * MAX_SPEED_RAD_S[0] * 0.2 + 0.1


def test_a_datagram_that_the_network_held_back_is_believed_at_ordinary_speed(keeper: StateKeeper) -> None:
    """1.2 rad/s; 50 ms of datagrams come at once."""
    for k in range(1, 100):
        late_s = 100.0 + 0.005 * (k if k < 40 or k > 50 else 50)
        raw = near(position_rad=moved(3, -1.2 * 0.005 * k), arrived_monotonic_s=late_s)
        assert keeper.accept(raw) is not None, k  # type: ignore[arg-type]


def test_doubts_are_counted_in_a_row_and_those_of_others_are_not(keeper: StateKeeper) -> None:
    wild = near(position_rad=WILD_JOINT)
    for _ in range(3):
        keeper.accept(wild)  # type: ignore[arg-type]
        keeper.accept(near(sender_ip="10.0.0.9"))  # type: ignore[arg-type]
    assert keeper.doubts_in_a_row == 3
    keeper.accept(near())  # type: ignore[arg-type]
    assert keeper.doubts_in_a_row == 0


def test_positions_since_a_moment_begin_with_the_one_before_it(keeper: StateKeeper) -> None:
    for k in range(1, 5):
        keeper.accept(near(position_rad=moved(0, 0.01 * k), arrived_monotonic_s=100.0 + 0.1 * k))  # type: ignore[arg-type]
    found = sorted(position[0] for position in keeper.positions_since(100.25))
    assert found == pytest.approx([0.12, 0.13, 0.14])


def test_values_that_stay_missing_are_never_believed(keeper: StateKeeper) -> None:
    for k in range(1, 200):
        late_s = 100.0 + 0.005 * k
        assert keeper.accept(near(position_rad=SIX_VALUES, arrived_monotonic_s=late_s)) is None  # type: ignore[arg-type]


def test_an_arm_that_truly_stands_at_zero_is_believed() -> None:
    keeper = StateKeeper(SENDER[0])
    keeper.set_reference((0.0,) * 6 + (0.01,), 100.0, RATED_LIMITS)
    assert keeper.accept(raw_state(ZEROS, arrived_monotonic_s=100.005)) is not None


def test_nothing_is_believed_before_a_position_was_read_by_request() -> None:
    keeper = StateKeeper(SENDER[0])
    assert keeper.accept(raw_state()) is None
    assert keeper.age_s(0.0) == math.inf


def test_after_a_restart_the_old_state_is_gone(keeper: StateKeeper) -> None:
    keeper.accept(near())  # type: ignore[arg-type]
    keeper.restart()
    assert keeper.newest is None


def test_the_rate_counts_the_last_second(keeper: StateKeeper) -> None:
    for k in range(400):
        keeper.accept(near(arrived_monotonic_s=100.0 + 0.005 * k))  # type: ignore[arg-type]
    assert keeper.rate_hz(102.0) == pytest.approx(200.0, abs=1.0)


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
