from __future__ import annotations

import numpy as np
import pytest

from kinevla.evaluation.motion import motion_figures, path_deviation_m, pauses_s, rms_jerk


def test_jerk_of_a_cubic_is_its_third_derivative():
    time = np.arange(20) * 0.1
    joints = np.stack([2.0 * time**3, np.zeros_like(time)], axis=1)
    assert rms_jerk(joints, 0.1) == pytest.approx(np.sqrt((12.0**2 + 0.0) / 2))


def test_uniform_motion_has_no_jerk():
    assert rms_jerk(np.outer(np.arange(10), [0.1, -0.2]), 0.1) == pytest.approx(0.0, abs=1e-9)


def test_pauses_are_counted_between_first_and_last_motion_only():
    joint = np.array([0, 0, 0, 0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3])
    states = np.stack([joint, np.ones(10)], axis=1)
    assert pauses_s(states, 1, 0.1) == pytest.approx([0.2])


def test_a_gripper_that_closes_is_no_pause():
    states = np.stack([np.array([0, 0.1, 0.1, 0.1, 0.2]), np.array([1.0, 1.0, 0.5, 0.0, 0.0])], axis=1)
    assert pauses_s(states, 1, 0.1) == ()


def test_path_deviation_is_the_distance_from_the_nearest_reference_point():
    reference = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    path = np.array([[0.0, 0.3, 0.0], [1.0, 0.0, 0.1]])
    assert path_deviation_m(path, reference) == pytest.approx(0.2)


def test_tool_path_is_measured_for_seven_joints_only():
    states = np.zeros((6, 8))
    states[:, 0] = np.linspace(0, 0.5, 6)
    states[:, 3] = 1.2
    seven = motion_figures(states, 0.1, 7, states)
    assert seven.path_length_m > 0.05
    assert seven.path_deviation_mm == pytest.approx(0.0, abs=1e-6)
    assert motion_figures(states[:, :6], 0.1, 6).path_length_m is None
