"""When an arm does not follow its setpoint, and how far the two can come apart before that is noticed."""

from __future__ import annotations

import math

import pytest

from realman_driver.following import Following, FollowingBounds

BOUNDS = FollowingBounds()
PERIOD_S = 0.005


def play(
    speed_rad_s: float, lag_s: float, duration_s: float = 3.0, frozen_after_s: float = math.inf
) -> tuple[float, str]:
    """A joint at a constant speed, measured late; the largest gap until the first reason, and that."""
    following, largest = Following(BOUNDS), 0.0
    for number in range(round(duration_s / PERIOD_S)):
        now_s = number * PERIOD_S
        setpoint = speed_rad_s * now_s
        if number % 2 == 0:
            following.frame_sent((0.0, setpoint, *(0.0,) * 5), now_s)
        measured = speed_rad_s * max(0.0, min(now_s - lag_s, frozen_after_s))
        largest = max(largest, abs(setpoint - measured))
        reason = following.judge((0.0, measured, *(0.0,) * 5), now_s)
        if reason:
            return largest, reason
    return largest, ""


@pytest.mark.parametrize("speed_rad_s", [0.05, 0.5, 1.2, 2.5])
@pytest.mark.parametrize("lag_s", [0.0, 0.05, 0.15])
def test_an_arm_that_lags_follows(speed_rad_s: float, lag_s: float) -> None:
    assert play(speed_rad_s, lag_s)[1] == ""


@pytest.mark.parametrize("speed_rad_s", [0.2, 0.5, 1.2, 2.5, 3.1])
def test_positions_that_freeze_are_found_before_the_gap_exceeds_its_bound(speed_rad_s: float) -> None:
    gap_rad, reason = play(speed_rad_s, 0.05, frozen_after_s=1.0)
    assert "joint_2 does not follow" in reason
    slow = BOUNDS.error_rad + speed_rad_s * (BOUNDS.lag_s + BOUNDS.error_s)
    assert gap_rad <= min(slow, BOUNDS.gap_rad) + 2.0 * speed_rad_s * 0.01


def test_an_arm_that_is_pushed_off_its_setpoint_does_not_follow() -> None:
    following = Following(BOUNDS)
    reason = ""
    for number in range(40):
        now_s = number * PERIOD_S
        following.frame_sent((0.0,) * 7, now_s)
        reason = following.judge((0.0, 0.0, 0.0, -0.06, 0.0, 0.0, 0.0), now_s)
        assert bool(reason) == (now_s >= BOUNDS.error_s)
    assert "joint_4 does not follow: measured at -0.060 rad, sent to 0.000 rad" in reason


def test_a_short_push_is_forgiven_and_the_next_one_begins_anew() -> None:
    following = Following(BOUNDS)
    for number in range(200):
        now_s = number * PERIOD_S
        following.frame_sent((0.0,) * 7, now_s)
        pushed = 0.2 if number % 20 < 15 else 0.0  # 75 ms of every 100 ms
        assert following.judge((pushed, *(0.0,) * 6), now_s) == ""


def test_what_was_sent_before_a_new_enable_does_not_count() -> None:
    following = Following(BOUNDS)
    following.frame_sent((1.0,) * 7, 0.0)
    following.restart()
    assert following.judge((0.0,) * 7, 0.01) == ""
    following.frame_sent((0.0,) * 7, 0.02)
    assert following.judge((0.0,) * 7, 0.3) == ""
