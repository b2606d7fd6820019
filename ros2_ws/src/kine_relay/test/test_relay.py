"""What the relay passes on, and what it refuses."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kine_relay import GripperMap, JointMap, Refused, Relay, RelayRules
from kine_relay.parameters import TABLE, make_relay

MS = 1_000_000
NOW = 1_700_000_000 * 10**9
JOINTS = (
    JointMap("joint_1", "shoulder", 1.0, 0.0, -1.0, 1.0, 2.0),
    JointMap("joint_2", "elbow", -1.0, 0.5, -1.0, 1.0, 2.0),
)
GRIPPER = GripperMap("gripper", "finger", 0.8, 0.0)
NAMES = ["joint_1", "joint_2", "gripper"]


@pytest.fixture
def relay() -> Relay:
    relay = Relay(JOINTS, GRIPPER, RelayRules())
    relay.take_state(["finger", "elbow", "shoulder"], [0.4, 0.5, 0.0], NOW)
    relay.enable(NOW)
    return relay


def chunk(relay: Relay, *rows, observed_ms: float = 0.0, now_ms: float = 0.0, names=NAMES):
    points = [(0.1 * (k + 1), list(row)) for k, row in enumerate(rows)]
    return relay.take_chunk(names, points, NOW + int(observed_ms * MS), NOW + int(now_ms * MS))


def test_joints_are_renamed_turned_and_shifted_and_the_gripper_is_scaled(relay):
    passed = chunk(relay, (0.1, -0.05, 0.5), (0.2, -0.10, 1.0))
    assert [point.time_s for point in passed] == pytest.approx([0.1, 0.2])
    assert passed[0].arm == pytest.approx((0.1, 0.55))
    assert passed[1].arm == pytest.approx((0.2, 0.60))
    assert [point.gripper for point in passed] == pytest.approx([0.4, 0.0])


def test_the_order_of_names_in_the_chunk_does_not_matter(relay):
    passed = chunk(relay, (0.5, -0.05, 0.1), names=["gripper", "joint_2", "joint_1"])
    assert passed[0].arm == pytest.approx((0.1, 0.55))


def test_joint_states_go_back_under_the_policys_names(relay):
    assert relay.take_state(["shoulder", "elbow", "finger"], [0.1, 0.3, 0.2], NOW) == pytest.approx(
        [0.1, 0.2, 0.75]
    )
    assert relay.take_state(["shoulder", "elbow"], [0.1, 0.3], NOW) is None
    assert relay.take_state(["shoulder", "elbow", "finger"], [0.1, float("nan"), 0.2], NOW) is None


def test_points_that_are_past_are_left_out_while_the_arm_moves(relay):
    chunk(relay, (0.05, 0.0, 1.0), (0.10, 0.0, 1.0), (0.15, 0.0, 1.0))
    relay.take_state(["shoulder", "elbow", "finger"], [0.07, 0.5, 0.0], NOW + 150 * MS)
    passed = chunk(relay, (0.06, 0, 1), (0.1, 0, 1), (0.15, 0, 1), observed_ms=30, now_ms=150)
    assert [point.time_s for point in passed] == pytest.approx([0.08, 0.18])
    assert passed[0].arm[0] == pytest.approx(0.1)


def test_a_chunk_for_an_arm_that_has_rested_starts_now(relay):
    relay.take_state(["shoulder", "elbow", "finger"], [0.0, 0.5, 0.0], NOW + 300 * MS)
    passed = chunk(relay, (0.05, 0, 1), (0.1, 0, 1), observed_ms=0, now_ms=300)
    assert [point.time_s for point in passed] == pytest.approx([0.1, 0.2])


def test_time_in_which_the_arm_has_rested_does_not_count(relay):
    chunk(relay, (0.05, 0, 1), (0.10, 0, 1))  # moves until 200 ms
    relay.take_state(["shoulder", "elbow", "finger"], [0.1, 0.5, 0.0], NOW + 500 * MS)
    rows = [(0.05 + 0.05 * k, 0, 1) for k in range(5)]
    passed = chunk(relay, *rows, observed_ms=80, now_ms=500)
    assert [point.time_s for point in passed] == pytest.approx([0.08, 0.18, 0.28, 0.38])
    assert passed[0].arm[0] == pytest.approx(0.1)


def test_a_chunk_whose_points_are_all_past_is_refused(relay):
    chunk(relay, *[(0.05, 0, 1)] * 5)
    relay.take_state(["shoulder", "elbow", "finger"], [0.05, 0.5, 0.0], NOW + 300 * MS)
    with pytest.raises(Refused, match=r"all points are past: the observation is 0\.290 s old"):
        chunk(relay, (0.05, 0, 1), (0.1, 0, 1), observed_ms=10, now_ms=300)


def test_a_chunk_from_an_older_look_does_not_replace_a_newer_one(relay):
    relay.take_state(["shoulder", "elbow", "finger"], [0.0, 0.5, 0.0], NOW + 100 * MS)
    chunk(relay, *[(0.05, 0, 1)] * 5, observed_ms=80, now_ms=100)
    with pytest.raises(Refused, match=r"0\.080 s older than that of the running chunk"):
        chunk(relay, *[(0.1, 0, 1)] * 5, observed_ms=0, now_ms=120)
    assert relay.refusals == {"order": 1}


@pytest.mark.parametrize(
    ("rows", "options", "text"),
    [
        ([(0.1, 0, 1), (0.4, 0, 1)], {}, "shoulder would move at 3.00 rad/s, bound 2.0 rad/s"),
        ([(0.4, 0, 1)], {}, "shoulder starts 0.400 rad away, bound 0.35 rad"),
        ([(0, -0.3, 1), (0, -0.6, 1)], {}, "elbow would move at 3.00"),
        ([(0, -0.15, 1), (0, -0.3, 1), (0, -0.45, 1), (0, -0.51, 1)], {}, "elbow = 1.0100 rad is outside"),
        ([(0.1, 0, 1.2)], {}, "opening is 1.2, must be within [0, 1]"),
        ([(float("nan"), 0, 1)], {}, "needs 3 finite positions"),
        ([(0.1, 0, 1)], {"observed_ms": -1500}, "observation is 1.500 s old, bound 1.0 s"),
        ([(0.1, 0, 1)], {"observed_ms": 500}, "observation is -0.500 s old"),
        ([(0.1, 0, 1)], {"now_ms": 300, "observed_ms": 300}, "joint state is 0.300 s old, bound 0.2 s"),
        ([(0.1, 0)], {"names": NAMES[:2]}, "must be gripper, joint_1, joint_2"),
        ([], {}, "must be positive and increasing"),
    ],
)
def test_a_chunk_that_breaks_a_rule_is_refused_with_value_and_bound(relay, rows, options, text):
    with pytest.raises(Refused, match=re.escape(text)):
        chunk(relay, *rows, **options)
    assert relay.passed == 0 and sum(relay.refusals.values()) == 1
    assert text in relay.last_refusal


def test_a_stop_holds_and_latches_until_enabled(relay):
    hold = relay.stop("stopped by the user", NOW)
    assert hold is not None and hold.arm == (0.0, 0.5) and hold.gripper == pytest.approx(0.4)
    with pytest.raises(Refused, match="stopped by the user"):
        chunk(relay, (0.05, 0, 1))
    relay.enable(NOW)
    assert chunk(relay, (0.05, 0, 1))


def test_nothing_is_passed_on_before_enabling_nor_enabled_without_joint_states():
    relay = Relay(JOINTS, GRIPPER, RelayRules())
    with pytest.raises(Refused, match="not enabled yet"):
        chunk(relay, (0.05, 0, 1))
    with pytest.raises(Refused, match="no joint state"):
        relay.enable(NOW)


def test_parameters_that_make_no_sense_are_named():
    values = {name: parameter.default for name, parameter in TABLE.items()}
    assert len(make_relay(values).joints) == 7
    with pytest.raises(ValueError, match="sign 6"):
        make_relay(values | {"sign": [1.0] * 6})
    with pytest.raises(ValueError, match=r"arm_joint_1: lower limit 2\.0 must be below"):
        make_relay(values | {"lower_rad": [2.0] * 7})
    with pytest.raises(ValueError, match="must be 1 or -1"):
        replace(JOINTS[0], sign=0.5)


def test_the_parameter_file_names_every_parameter_with_its_default():
    file = Path(__file__).parents[1] / "config" / "relay.yaml"
    values = yaml.safe_load(file.read_text())["kine_relay"]["ros__parameters"]
    assert values == {name: parameter.default for name, parameter in TABLE.items()}


def test_a_chunk_of_an_earlier_enable_is_refused(relay):
    epoch = relay.right.epoch
    names, points = NAMES, [(0.1, [0.05, 0.0, 1.0])]
    relay.take_chunk(names, points, NOW, NOW, f"kinevla/1/0@{epoch}")
    relay.stop("stopped by the user", NOW)
    relay.enable(NOW)
    with pytest.raises(Refused, match="new request") as refused:
        relay.take_chunk(names, points, NOW, NOW, f"kinevla/1/1@{epoch}")
    assert refused.value.rule == "epoch" and relay.last_refused == f"kinevla/1/1@{epoch}"


def test_a_second_source_is_refused_while_the_first_moves_the_arm(relay):
    points = [(0.1, [0.05, 0.0, 1.0])]
    relay.take_chunk(NAMES, points, NOW, NOW, "kinevla/1/0")
    with pytest.raises(Refused, match="kinevla moves the arm"):
        relay.take_chunk(NAMES, points, NOW, NOW, "somebody/1")
