"""A wall clock that is set: noticed, and stamps of before are not compared with the time after."""

from __future__ import annotations

import time

import pytest

from realman_driver.clock_watch import ClockWatch


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.off_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + 1e9 + self.off_s


@pytest.fixture
def wall() -> Wall:
    return Wall()


def look(watch: ClockWatch, wall: Wall, step_s: float = 0.0) -> float:
    """Set the clock and look until the looks were undisturbed by a busy computer."""
    for _ in range(1000):
        watch.look()
    wall.off_s += step_s
    for _ in range(1000):
        found = watch.look()
        if found:
            return found
    return 0.0


@pytest.mark.parametrize("step_s", [0.3, -0.3, 3600.0, -3600.0])
def test_a_step_is_noticed_with_its_size(wall: Wall, step_s: float) -> None:
    watch = ClockWatch(wall, 1.0)
    assert look(watch, wall) == 0.0
    assert look(watch, wall, step_s) == pytest.approx(step_s, abs=0.02)
    assert (watch.steps, look(watch, wall)) == (1, 0.0)


def test_slewing_is_no_step(wall: Wall) -> None:
    watch = ClockWatch(wall, 1.0)
    assert [look(watch, wall, 0.002) for _ in range(20)] == [0.0] * 20


@pytest.mark.parametrize("step_s", [0.3, -0.3, 3600.0, -3600.0])
def test_a_chunk_of_before_the_step_is_refused_and_one_of_after_it_is_taken(
    wall: Wall, step_s: float
) -> None:
    watch = ClockWatch(wall, 1.0)
    look(watch, wall)
    stamp_before = wall() - 0.1
    look(watch, wall, step_s)
    refusal = watch.refusal(stamp_before, wall(), time.monotonic())
    assert refusal is not None
    assert refusal.rule == "clock"
    assert f"{step_s:+.0f}"[:2] in refusal.text
    later_s = watch._stepped_s + 0.99
    now_s = later_s + 1e9 + wall.off_s
    taken = watch.refusal(now_s - 0.05, now_s, later_s)
    assert taken is None or step_s < -0.9, "a fresh observation after the step was refused"
    assert watch.refusal(now_s - 0.05, now_s, later_s + 0.02) is None, "the arm stays locked"
