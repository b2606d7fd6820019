import math

import pytest

from kine_teleop.puppet.limits import FollowLimits, MotionWatch
from kine_teleop.puppet.mapping import JointMapping, LeaderError

NAMES = [*(f"joint_{i}" for i in range(1, 8)), "gripper"]
VALUES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.25]


def test_a_mirrored_shifted_and_reordered_leader_is_mapped_by_hand_computed_values():
    mapping = JointMapping(
        leader_joints=tuple(f"m{i}" for i in range(7)),
        sign=(-1.0, 1, 1, 1, 1, 1, 1),
        scale=(2.0, 1, 1, 1, 1, 1, 1),
        offset_rad=(0.5, 0, 0, 0, 0, 0, -0.1),
        leader_gripper="trigger",
        gripper_closed=40.0,
        gripper_open=20.0,
    )
    names = ["trigger", *(f"m{i}" for i in reversed(range(7)))]
    pose = mapping.to_follower(names, [25.0, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 1.0)
    assert pose == pytest.approx((0.3, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.75))


@pytest.mark.parametrize(
    ("names", "values", "said"),
    [
        (NAMES[:-2] + NAMES[-1:], VALUES[:-1], "joint_7"),
        (NAMES, VALUES[:-1], "8 names and 7"),
        (NAMES, [math.nan, *VALUES[1:]], "joint_1"),
        (NAMES, [*VALUES[:-1], 1.4], "1.4"),
    ],
)
def test_an_unusable_message_is_refused_with_what_is_wrong(names, values, said):
    with pytest.raises(LeaderError, match=said):
        JointMapping().to_follower(names, values, 1.0)


def test_without_a_leader_gripper_the_opening_stays():
    assert JointMapping(leader_gripper="").to_follower(NAMES[:7], VALUES[:7], 0.4)[7] == 0.4


def test_a_mapping_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="sign of joint_1"):
        JointMapping(sign=(0.5, 1, 1, 1, 1, 1, 1))
    with pytest.raises(ValueError, match="twice"):
        JointMapping(leader_joints=("a",) * 7)


def pose(first: float) -> tuple[float, ...]:
    return (first, *([0.0] * 6), 1.0)


def test_messages_in_a_bunch_are_not_fast_but_a_fast_leader_is():
    watch = MotionWatch(FollowLimits(max_speed_rad_s=1.0))
    # 0.5 rad/s, every five messages arriving within a millisecond
    assert not any(watch.fault(pose(0.01 * k), 0.1 * (k // 5) + 0.0002 * (k % 5)) for k in range(40))
    watch.restart()
    faults = [watch.fault(pose(0.03 * k), 0.02 * k) for k in range(20)]
    assert any("joint_1: the leader moves at" in fault for fault in faults)


def test_a_jump_and_a_limit_are_named():
    watch = MotionWatch(FollowLimits())
    assert watch.fault(pose(0.0), 0.0) == ""
    assert "joint_1: the leader jumped by 0.200" in watch.fault(pose(0.2), 0.02)
    assert "allowed is [-3.087, 3.087]" in watch.fault(pose(3.1), 0.04)
