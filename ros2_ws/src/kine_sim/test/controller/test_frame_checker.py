"""The judge of frames finds what is unsafe, and nothing in a stream that keeps its bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kine_sim.controller.frame_checker import FrameChecker, peak_acceleration_rad_s2

HOME = [0, 20_000, 0, 70_000, 0, 90_000, 0]


def swing(amplitude_mdeg: float, frequency_hz: float, count: int = 200) -> list[tuple[float, list[int]]]:
    """Frames 10 ms apart with a sine on joint 1."""
    return [
        (0.01 * k, [round(amplitude_mdeg * math.sin(2 * math.pi * frequency_hz * 0.01 * k)), *HOME[1:]])
        for k in range(count)
    ]


def test_a_quick_but_allowed_swing_passes() -> None:
    checker = FrameChecker(paced_s=0.01)
    # 20 deg at 0.8 Hz: 100 deg/s and 505 deg/s2 at most.
    assert [checker.frame(t, q) for t, q in swing(20_000, 0.8)] == [[]] * 200
    assert checker.unsafe_frames == 0


@pytest.mark.parametrize(
    ("frames", "rule", "text"),
    [
        ([(0.0, [178_001, *HOME[1:]])], "range", "joint 1 at 178.001 deg"),
        ([(0.0, HOME), (0.01, [0, 20_000, 0, 80_001, 0, 90_000, 0])], "step", "joint 4 steps 10.001 deg"),
        (swing(40_000, 0.8), "speed", "joint 1 at"),
        (swing(12_000, 1.2), "acceleration", "bound 600 deg/s2"),
        ([(0.0, [float("nan"), *HOME[1:]])], "form", "nan"),
        ([(0.0, HOME[:6])], "form", "seven numbers"),
        ([(0.0, [-2147483648, *HOME[1:]])], "form", "joint 1"),
    ],
)
def test_what_is_unsafe_is_named(frames: list[tuple[float, list[int]]], rule: str, text: str) -> None:
    checker = FrameChecker(paced_s=0.01)
    found = [violation for time_s, joints in frames for violation in checker.frame(time_s, joints)]
    assert any(v.rule == rule and text in v.text for v in found), found
    assert checker.unsafe_frames > 0


def test_jitter_of_a_network_is_no_violation_but_speed_over_time_is() -> None:
    checker, chance = FrameChecker(), np.random.default_rng(5)
    for time_s, joints in swing(30_000, 0.8):
        assert checker.frame(time_s + chance.uniform(0.0, 0.008), joints) == []
    fast = FrameChecker()
    assert any(fast.frame(time_s, joints) for time_s, joints in swing(60_000, 0.8))


def test_the_peak_acceleration_of_a_swing_is_what_it_is() -> None:
    times = np.arange(0.0, 4.0, 0.005)
    joints = np.zeros((len(times), 7))
    joints[:, 2] = 0.5 * np.sin(3.0 * times)
    peaks = peak_acceleration_rad_s2(list(times), joints)
    assert peaks[2] == pytest.approx(0.5 * 9.0, rel=0.05)
    assert np.all(np.delete(peaks, 2) < 1e-9)
