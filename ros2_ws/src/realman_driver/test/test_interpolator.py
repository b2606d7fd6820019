"""From chunks to setpoints."""

from __future__ import annotations

import pytest

from realman_driver.chunk_check import Chunk
from realman_driver.interpolator import Interpolator

START = (0.0,) * 7 + (1.0,)


def chunk(*values: float, period_s: float = 0.1, gripper: float = 0.0) -> Chunk:
    times = tuple(period_s * (k + 1) for k in range(len(values)))
    return Chunk(times, tuple((value,) * 7 + (gripper,) for value in values))


def test_the_setpoint_is_linear_between_points_and_meets_each_point_at_its_time() -> None:
    player = Interpolator(START)
    player.load(chunk(0.1, 0.3))
    seen = [player.advance(0.025)[0] for _ in range(8)]
    assert seen == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3])


def test_the_last_point_is_held_exactly() -> None:
    player = Interpolator(START)
    player.load(chunk(0.1, 0.3))
    player.advance(0.7)
    assert player.setpoint[:7] == (0.3,) * 7
    assert not player.active
    assert player.advance(5.0)[:7] == (0.3,) * 7


def test_a_new_chunk_starts_at_the_present_setpoint_without_a_jump() -> None:
    player = Interpolator(START)
    player.load(chunk(0.1, 0.3))
    before = player.advance(0.15)
    player.load(chunk(0.0))
    assert player.setpoint == before
    assert player.advance(0.001)[0] == pytest.approx(before[0], abs=0.003)
    assert player.advance(0.099)[0] == pytest.approx(0.0)


def test_without_a_chunk_the_start_is_held_and_the_gripper_is_left_alone() -> None:
    player = Interpolator(START)
    assert player.advance(1.0) == START
    assert player.gripper_target is None


def test_the_gripper_target_is_that_of_the_point_being_approached() -> None:
    player = Interpolator(START)
    player.load(Chunk((0.1, 0.2), ((0.0,) * 7 + (0.8,), (0.0,) * 7 + (0.2,))))
    player.advance(0.05)
    assert player.gripper_target == 0.8
    player.advance(0.06)
    assert player.gripper_target == 0.2
    player.advance(1.0)
    assert player.gripper_target == 0.2
