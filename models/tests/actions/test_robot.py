from __future__ import annotations

import numpy as np
import pytest

from kinevla.actions.robot import forward_kinematics, tool_position_m


@pytest.mark.parametrize(
    ("q_deg", "flange_m"),
    [
        ((0, 0, 0, 0, 0, 0, 0), (0.0, 0.0, 0.8505)),
        ((0, 0, 0, 90, 0, 0, 0), (0.354, 0.0, 0.4965)),
        ((0, 90, 0, 0, 0, 0, 0), (0.61, 0.0, 0.2405)),
        ((10, -20, 30, -40, 50, -60, 70), (-0.256481, -0.252442, 0.580097)),
        ((45, 45, 45, 45, 45, 45, 45), (0.111588, 0.454992, 0.441729)),
    ],
)
def test_flange_is_where_the_vendor_library_puts_it(q_deg, flange_m):
    pose = forward_kinematics(np.deg2rad(q_deg), tool_offset_m=0.0)
    np.testing.assert_allclose(pose[:3, 3], flange_m, atol=2e-6)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)


def test_tool_points_down_150_mm_below_the_flange_at_home():
    home = np.deg2rad([0, 20, 0, 70, 0, 90, 0])
    below = forward_kinematics(home, tool_offset_m=0.0)[:3, 3] - tool_position_m(home)
    np.testing.assert_allclose(below, [0.0, 0.0, 0.15], atol=1e-9)


def test_many_poses_at_once_equal_single_ones():
    q = np.random.default_rng(0).uniform(-1, 1, (3, 4, 7))
    assert np.allclose(tool_position_m(q)[1, 2], tool_position_m(q[1, 2]))


def test_wrong_number_of_joints_is_refused():
    with pytest.raises(ValueError, match="7 joints"):
        forward_kinematics(np.zeros(6))
