"""Pictures nothing may be planned from."""

from __future__ import annotations

import numpy as np

from kinevla_policy.camera_watch import CameraRules, CameraWatch
from kinevla_policy.observation_buffer import NS_PER_S, ObservationBuffer

T0_NS = 1_700_000_000 * NS_PER_S
STILL = np.zeros(7)


def picture(seed: int, brightness: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, brightness * 2, (48, 64, 3), dtype=np.int64).clip(0, 255).astype(np.uint8)


def judge(
    watch: CameraWatch, pixels: np.ndarray, joints: np.ndarray = STILL, at_s: float = 0.0
) -> str | None:
    now_ns = T0_NS + int(at_s * NS_PER_S)
    return watch.judge(now_ns - 5_000_000, now_ns, pixels, joints)


def test_a_black_picture_is_not_used():
    watch = CameraWatch(CameraRules())
    assert judge(watch, picture(1)) is None
    doubt = judge(watch, np.full((48, 64, 3), 3, np.uint8))
    assert doubt is not None and "black: mean brightness 3.0 of 255, at least 8.0" in doubt
    assert judge(watch, picture(2)) is None


def test_a_frozen_picture_is_found_when_the_arm_has_moved():
    watch = CameraWatch(CameraRules())
    for step in range(5):
        assert judge(watch, picture(1), np.full(7, 0.02 * step), 0.1 * step) is None
    doubt = judge(watch, picture(1), np.full(7, 0.15), 0.6)
    assert doubt is not None and "frozen: unchanged while a joint moved by 0.150 rad" in doubt
    assert judge(watch, picture(2), np.full(7, 0.16), 0.7) is None


def test_an_unchanged_picture_of_an_arm_at_rest_is_fine():
    watch = CameraWatch(CameraRules())
    assert [judge(watch, picture(1), STILL, 0.1 * k) for k in range(100)] == [None] * 100


def test_a_stamp_in_the_future_is_refused_and_one_that_goes_back_is_counted():
    watch = CameraWatch(CameraRules())
    doubt = watch.judge(T0_NS + 500_000_000, T0_NS, picture(1), STILL)
    assert doubt is not None and "0.500 s in the future, at most 0.050 s" in doubt
    assert judge(watch, picture(2)) is None
    assert watch.jumps_back == 1


def test_a_halved_rate_shows_in_the_rate():
    watch = CameraWatch(CameraRules())
    for k in range(60):
        judge(watch, picture(k), STILL, k / 30.0)
    assert 28 <= watch.rate_hz(T0_NS + 2 * NS_PER_S) <= 31
    for k in range(30):
        judge(watch, picture(k), STILL, 2.0 + k / 7.0)
    assert watch.rate_hz(T0_NS + int(6.2 * NS_PER_S)) < CameraRules().min_camera_rate_hz


def test_stamps_that_jump_back_and_forth_never_pair_with_the_wrong_joints():
    """The buffer gives out a pair whose joints were measured within 50 ms of it, or a reason."""
    buffer = ObservationBuffer(max_pair_gap_s=0.04)
    rng = np.random.default_rng(3)
    for k in range(300):
        now_ns = T0_NS + k * 10_000_000
        buffer.add_state(now_ns, np.full(8, k))
        jump_ns = int(rng.choice([0, 0, -400_000_000, -3 * NS_PER_S, 20_000_000]))
        for camera in ("front", "wrist"):
            buffer.add_image(camera, now_ns + jump_ns, picture(0))
        found = buffer.newest()
        if not isinstance(found, str):
            assert abs(found.state_stamp_ns - found.stamp_ns) <= 50_000_000
            assert abs(found.front_stamp_ns - found.wrist_stamp_ns) <= 40_000_000
