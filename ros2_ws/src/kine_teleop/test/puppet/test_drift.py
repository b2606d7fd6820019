import json
import math

import numpy as np
import pytest

from kine_teleop.puppet.drift import (
    DriftBounds,
    DriftCheck,
    DriftError,
    DriftRecorder,
    PoseMeasurement,
    drift_report,
)

HOME = np.array([0.0, 0.349066, 0.0, 1.22173, 0.0, 1.570796, 0.0])
QUIET = (0.0005,) * 7


def measured(offset_deg: np.ndarray, base: np.ndarray = HOME) -> PoseMeasurement:
    return PoseMeasurement(tuple(base + np.radians(offset_deg)), tuple(base), QUIET)


@pytest.mark.parametrize("joint", range(7))
def test_a_leader_off_by_three_degrees_in_one_joint_is_found_and_named(joint):
    offset = np.random.default_rng(joint).normal(0.0, 0.1, 7)
    offset[joint] = 3.0
    report = drift_report([measured(offset)], DriftBounds())
    assert not report.passed
    assert report.beyond == (f"joint_{joint + 1}",)
    assert f"joint_{joint + 1} is off by +3.00 degrees" in report.text()
    assert json.loads(report.json())["offset_deg"][f"joint_{joint + 1}"] == pytest.approx(3.0)


def test_aligned_arms_pass_and_the_tool_distance_is_that_of_the_kinematics():
    offset = np.array([0.5, 0, 0, 0, 0, 0, 0])
    report = drift_report([measured(offset)], DriftBounds())
    assert report.passed and report.beyond == ()
    # Joint 1 turns the tool about the vertical axis: the distance is radius times angle.
    from kinevla.actions.robot import tool_position_m

    radius_mm = 1000 * float(np.linalg.norm(tool_position_m(HOME)[:2]))
    assert report.tool_mm[0] == pytest.approx(radius_mm * math.radians(0.5), rel=0.01)


def test_opposite_offsets_in_two_poses_do_not_cancel():
    other = HOME + 0.3
    offset = np.array([0, 0, 3.0, 0, 0, 0, 0])
    report = drift_report([measured(offset), measured(-offset, other)], DriftBounds(poses=2))
    assert report.offset_deg["joint_3"] == 0.0
    assert report.beyond == ("joint_3",) and report.spread_deg["joint_3"] == pytest.approx(3.0)


def test_the_same_pose_does_not_count_twice():
    check = DriftCheck(DriftBounds(poses=2))
    assert check.add(measured(np.zeros(7))) is None
    with pytest.raises(DriftError, match="still in pose 1"):
        check.add(measured(np.zeros(7), HOME + 0.01))
    report = check.add(measured(np.zeros(7), HOME + 0.3))
    assert report is not None and report.passed and report.poses == 2


def test_a_moving_arm_and_a_silent_one_are_not_measured():
    recorder = DriftRecorder(DriftBounds())
    with pytest.raises(DriftError, match="the leader does not report"):
        recorder.measure(0.0)
    for k in range(101):
        recorder.leader((*HOME, 1.0), k * 0.02)
        recorder.follower((0.001 * k, *HOME[1:], 1.0), k * 0.02)
    with pytest.raises(DriftError, match="follower does not rest: joint_1"):
        recorder.measure(2.0)
