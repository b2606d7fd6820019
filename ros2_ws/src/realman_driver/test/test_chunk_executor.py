"""From chunks to setpoints, in virtual time: 10 ms per frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realman_driver.chunk_executor import ChunkExecutor, ExecutorSettings
from realman_driver.curve_planner import MotionLimits
from realman_driver.gate import Chunk, SpaceBounds

FRAME_S = 0.01
PERIOD_S = 0.1
START = (0.0,) * 7 + (1.0,)
LIMITS = MotionLimits()
# Where only the motion counts: the arm may be anywhere, also in itself.
ANYWHERE = SpaceBounds((-9.0,) * 3, (9.0,) * 3, -9.0, 0.0, -9.0)


def chunk(*values: float, period_s: float = PERIOD_S, gripper: float = 1.0) -> Chunk:
    times = tuple(period_s * (k + 1) for k in range(len(values)))
    return Chunk(times, tuple((value,) * 7 + (gripper,) for value in values))


def wave(time_s: float) -> tuple[float, ...]:
    """A motion as demonstrations are: every joint on its own, up to 0.9 rad/s and 3 rad/s^2."""
    joints = (0.3 * (math.sin((1.5 + 0.25 * j) * time_s + j) - math.sin(j)) for j in range(7))
    return (*joints, 1.0)


class Player:
    """An executor on a clock of its own, with everything it sent."""

    def __init__(self, settings: ExecutorSettings | None = None, start: tuple[float, ...] = START) -> None:
        self.now_s = 100.0
        self.executor = ChunkExecutor(start, self.now_s, settings or ExecutorSettings(space=ANYWHERE))
        self.frames: list[tuple[float, ...]] = []
        self.accepted_at: list[int] = []

    def run(self, frames: int) -> list[tuple[float, ...]]:
        for _ in range(frames):
            self.now_s += FRAME_S
            self.frames.append(self.executor.advance(FRAME_S, self.now_s))
        return self.frames[-frames:]

    def load(self, made: Chunk, latency_s: float = 0.0) -> None:
        refusal = self.executor.load(made, self.now_s - latency_s)
        assert refusal is None, refusal.text
        self.accepted_at.append(len(self.frames))

    def derivatives(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        velocity = np.diff(np.array(self.frames)[:, :7], axis=0) / FRAME_S
        acceleration = np.diff(velocity, axis=0) / FRAME_S
        return velocity, acceleration, np.diff(acceleration, axis=0) / FRAME_S


def replay(latency_s: float, period_s: float, seconds: float) -> Player:
    """Observations every `period_s`; each chunk arrives `latency_s` after its own. The arm starts at rest."""
    player = Player(start=wave(0.0))
    waiting: list[tuple[int, int, Chunk]] = []
    every, late = round(period_s / FRAME_S), round(latency_s / FRAME_S)
    for frame in range(round(seconds / FRAME_S)):
        if frame % every == 0:
            # The motion goes on where the executor is: it has rested until the first chunk came.
            begin_s = player.executor.motion_s
            rows = tuple(wave(begin_s + PERIOD_S * (k + 1)) for k in range(5))
            times = tuple(PERIOD_S * (k + 1) for k in range(5))
            waiting.append((frame + late, frame, Chunk(times, rows)))
        if waiting and waiting[0][0] <= frame:
            arrived, observed, made = waiting.pop(0)
            player.load(made, (arrived - observed) * FRAME_S)
        player.run(1)
    return player


def test_a_chunk_is_played_through_its_points_and_ends_at_rest_at_the_last_one() -> None:
    player = Player()
    player.load(chunk(0.004, 0.012, 0.02, 0.024, 0.025))
    joint = np.array([frame[0] for frame in player.run(80)])
    for index, value in enumerate((0.004, 0.012, 0.02, 0.024)):
        assert joint[10 * (index + 1) - 1] == pytest.approx(value, abs=1e-3)
    assert player.frames[-1][:7] == (0.025,) * 7
    assert not player.executor.active
    assert player.run(500)[-1][:7] == (0.025,) * 7


def test_a_newer_chunk_takes_over_without_a_jump_in_position_velocity_or_acceleration() -> None:
    player = Player()
    player.load(chunk(*(0.05 * (k + 1) for k in range(5))))
    player.run(27)
    player.load(chunk(*(0.13 - 0.04 * (k + 1) for k in range(5))))
    player.run(120)
    velocity, acceleration, jerk = player.derivatives()
    assert np.abs(acceleration).max() <= LIMITS.max_acceleration_rad_s2
    assert np.abs(jerk).max() <= LIMITS.max_jerk_rad_s3 * 1.05
    assert np.abs(np.diff(velocity, axis=0)).max() <= LIMITS.max_acceleration_rad_s2 * FRAME_S
    assert player.frames[-1][0] == pytest.approx(-0.07)


def test_points_that_lie_in_the_past_are_not_executed() -> None:
    player = Player()
    player.load(chunk(*(0.02 * (k + 1) for k in range(5))))
    player.run(20)
    player.run(20)  # the next chunk's observation was taken 0.2 s ago; its first points are behind the arm
    before = player.frames[-1][0]
    player.load(chunk(*(0.04 + 0.02 * (k + 1) for k in range(5))), latency_s=0.2)
    joint = [frame[0] for frame in player.run(60)]
    assert min(np.diff([before, *joint])) >= -1e-9, "it went back for a point it had passed"
    assert joint[-1] == pytest.approx(0.14)


def test_a_chunk_that_comes_too_late_while_the_arm_moves_is_refused_and_the_motion_goes_on() -> None:
    player = Player()
    player.load(chunk(*(0.02 * (k + 1) for k in range(12))))
    player.run(80)
    refusal = player.executor.load(chunk(0.0, 0.0, 0.0, 0.0, 0.0), player.now_s - 0.6)
    assert refusal is not None
    assert refusal.rule == "late"
    assert "0.100 s ago" in refusal.text
    assert player.run(80)[-1][0] == pytest.approx(0.24)


def test_time_in_which_the_arm_rested_does_not_use_a_chunk_up() -> None:
    """Slow planning: the arm stands still meanwhile, so the whole chunk is still ahead of it."""
    player = Player()
    player.run(100)
    player.load(chunk(0.004, 0.012, 0.02, 0.024, 0.025), latency_s=0.9)
    joint = [frame[0] for frame in player.run(70)]
    assert joint[9] == pytest.approx(0.004, abs=1e-3)
    assert joint[29] == pytest.approx(0.02, abs=1e-3)
    assert joint[-1] == 0.025


def test_an_older_observation_does_not_replace_a_newer_one() -> None:
    player = Player()
    player.load(chunk(*(0.02 * (k + 1) for k in range(5))))
    player.run(10)
    refusal = player.executor.load(chunk(0.0, 0.0, 0.0, 0.0, 0.0), player.now_s - 0.2)
    assert refusal is not None
    assert refusal.rule == "order"


def test_two_chunks_of_one_observation_are_not_told_apart_by_a_rounding_of_clocks() -> None:
    player = Player()
    observed_s = player.now_s
    assert player.executor.load(chunk(*(0.02 * (k + 1) for k in range(5))), observed_s) is None
    player.run(10)
    again = player.executor.load(chunk(*(0.02 * (k + 1) for k in range(5))), observed_s - 2e-7)
    assert again is None, again


def test_without_a_successor_it_slows_down_and_holds_at_the_last_point() -> None:
    """Underrun at full speed: never beyond the last point, which is the last one that was checked."""
    player = Player()
    player.load(chunk(*(0.1 * (k + 1) for k in range(5))))
    player.run(300)
    joint = np.array(player.frames)[:, 0]
    assert joint.max() <= 0.5 + 1e-9
    assert joint[-1] == 0.5
    assert np.abs(player.derivatives()[1]).max() <= LIMITS.max_acceleration_rad_s2


@pytest.mark.parametrize("latency_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4])
def test_over_a_hundred_boundaries_the_motion_is_as_even_as_inside_the_chunks(latency_s: float) -> None:
    """Chunks in time: no rest, and the speed changes no more than between boundaries."""
    player = replay(latency_s, 0.1, seconds=12.0)
    assert len(player.accepted_at) > 100
    velocity, acceleration, jerk = player.derivatives()
    change = np.abs(acceleration).max(axis=1) * FRAME_S
    at_boundary = np.zeros(len(change), bool)
    for frame in player.accepted_at[1:]:
        at_boundary[frame - 2 : frame + 1] = True
    moving = slice(round((latency_s + 1.0) / FRAME_S), None)  # after the start from rest
    assert change[moving][at_boundary[moving]].max() <= change[moving][~at_boundary[moving]].max() * 1.1
    assert np.abs(jerk).max() <= LIMITS.max_jerk_rad_s3 * 1.05
    assert np.abs(velocity[moving]).max(axis=1).min() > 0.1, "it rested at a boundary"
    late = round(latency_s / FRAME_S)  # the arm began when the first chunk came
    wanted = np.array([wave(FRAME_S * (k + 1))[:7] for k in range(len(player.frames) - late)])
    error_rad = np.abs(np.array(player.frames)[late:, :7] - wanted)
    # The latest ones leave so little of each chunk that it begins to brake before the next one comes.
    assert error_rad[150:].max() < (0.005 if latency_s <= 0.2 else 0.15)


@pytest.mark.parametrize("latency_s", [0.1, 0.2, 0.3, 0.4])
def test_with_one_plan_at_a_time_the_limits_hold_at_every_latency(latency_s: float) -> None:
    """From 0.25 s on, chunks of 0.5 s come too late to be continuous: it slows down."""
    player = replay(latency_s, max(0.3, latency_s), seconds=15.0)
    velocity, acceleration, jerk = player.derivatives()
    assert np.abs(velocity).max() <= LIMITS.max_velocity_rad_s
    assert np.abs(acceleration).max() <= LIMITS.max_acceleration_rad_s2
    assert np.abs(jerk).max() <= LIMITS.max_jerk_rad_s3 * 1.05


def test_a_chunk_faster_than_the_limits_is_played_more_slowly_along_the_same_way() -> None:
    player = Player()
    player.load(chunk(0.2, 0.4, 0.2, 0.0, 0.0))  # 40 rad/s^2 at the turn
    player.run(300)
    assert np.abs(player.derivatives()[1]).max() <= LIMITS.max_acceleration_rad_s2
    assert max(frame[0] for frame in player.frames) > 0.3
    assert player.frames[-1][0] == pytest.approx(0.0, abs=1e-12)


def test_ensembling_mixes_what_two_chunks_say_of_the_same_moment() -> None:
    ends = {}
    for share in (1.0, 0.5):
        player = Player(ExecutorSettings(LIMITS, share, ANYWHERE))
        player.load(chunk(*(0.0,) * 5))
        player.run(10)
        player.load(chunk(*(0.02,) * 5))
        ends[share] = [frame[0] for frame in player.run(90)]
    assert max(ends[0.5][:38]) < 0.6 * max(ends[1.0][:38])
    assert ends[0.5][-1] == pytest.approx(0.02), "where only the new chunk speaks, it decides"


def test_without_a_chunk_the_start_is_held_and_the_gripper_is_left_alone() -> None:
    player = Player()
    assert player.run(100)[-1] == START
    assert player.executor.gripper_target is None


def test_the_gripper_target_is_that_of_the_point_being_approached() -> None:
    player = Player()
    player.load(Chunk((0.1, 0.2), ((0.0,) * 7 + (0.8,), (0.0,) * 7 + (0.2,))))
    player.run(5)
    assert player.executor.gripper_target == 0.8
    player.run(6)
    assert player.executor.gripper_target == 0.2
    player.run(100)
    assert player.executor.gripper_target == 0.2


def test_a_stream_of_single_targets_is_followed_closely_and_stops_at_the_last_one() -> None:
    """Teleoperation: 50 targets a second, each to be reached 0.06 s later."""
    player = Player()
    for k in range(100):
        target = 0.3 * math.sin(2.0 * (k * 0.02))
        player.load(Chunk((0.06,), ((target,) * 7 + (1.0,),)), 0.005)
        player.run(2)
    joint = np.array(player.frames)[:, 0]
    wanted = 0.3 * np.sin(2.0 * (np.arange(len(joint)) * FRAME_S))
    assert np.abs(joint[50:] - wanted[43:-7]).max() < 0.02, "more than 0.1 s behind"
    player.run(200)
    joint = np.array(player.frames)[:, 0]
    assert player.frames[-1][:7] == (target,) * 7
    assert not player.executor.active
    assert np.abs(player.derivatives()[1]).max() <= LIMITS.max_acceleration_rad_s2 * (1 + 1e-9)


def test_a_chunk_takes_over_from_a_stream_of_targets_and_the_other_way_round_without_a_jump() -> None:
    player = Player()
    player.load(Chunk((0.1,), ((0.2,) * 7 + (1.0,),)))
    player.run(40)
    player.load(chunk(*(0.18 - 0.02 * k for k in range(5))))
    player.run(20)
    player.load(Chunk((0.1,), ((0.05,) * 7 + (1.0,),)))
    player.run(200)
    assert player.frames[-1][:7] == (0.05,) * 7
    assert np.abs(player.derivatives()[1]).max() <= LIMITS.max_acceleration_rad_s2 * (1 + 1e-9)


def test_a_streamed_target_that_comes_late_is_still_the_newest_one() -> None:
    """On a busy computer the leader's pose may be older than the time given to reach it."""
    player = Player()
    for k in range(20):
        player.load(Chunk((0.06,), ((0.01 * k,) * 7 + (1.0,),)), 0.2)
        player.run(2)
    assert player.run(150)[-1][:7] == (0.19,) * 7
