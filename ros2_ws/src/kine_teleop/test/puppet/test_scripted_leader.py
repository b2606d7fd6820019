import numpy as np
import pytest

from kine_teleop.puppet.human_timing import HumanTiming, TimingSettings, Tremor, minimum_jerk
from kine_teleop.puppet.scripted_leader import LeaderSettings, ScriptedLeader


def test_the_hand_never_goes_back_and_never_faster_than_its_fastest_stroke():
    timing = HumanTiming(12.0, TimingSettings(slowdown=1.6, variation=0.1, pause_share=0.3), seed=3)
    times = np.arange(0.0, timing.duration_s + 0.5, 0.01)
    progress = np.array([timing.progress_s(t) for t in times])
    speed = np.diff(progress) / 0.01
    assert progress[0] == 0.0 and progress[-1] == 12.0
    # Half even, half of minimum jerk, whose peak is 15/8 of the mean; at most two deviations of 10 %.
    fastest = (0.5 + 0.5 * 15 / 8) / (1.6 * 0.8)
    assert speed.min() >= 0.0 and speed.max() <= fastest + 1e-9
    assert (speed == 0.0).sum() > 20, "no pause"
    assert timing.duration_s >= 12.0 * 1.6 * 0.8


def test_minimum_jerk_starts_and_ends_at_rest():
    assert (minimum_jerk(0.0), minimum_jerk(0.5), minimum_jerk(1.0)) == (0.0, 0.5, 1.0)
    assert minimum_jerk(1e-3) < 1e-7 and 1.0 - minimum_jerk(1.0 - 1e-3) < 1e-7


@pytest.mark.parametrize("step_s", [0.005, 0.02])
def test_the_tremor_has_the_standard_deviation_asked_for_at_any_rate(step_s):
    tremor = Tremor(0.002, 7, seed=1)
    values = np.array([tremor.advance(step_s) for _ in range(20000)])
    assert values.std() == pytest.approx(0.002, rel=0.05)


def shown(leader: ScriptedLeader) -> np.ndarray:
    leader.play(0.0)
    return np.array([leader.position(t) for t in np.arange(0.0, leader.duration_s + 0.1, 0.02)])


def test_the_leader_shows_the_whole_plan_and_the_same_one_for_the_same_seed():
    quiet = ScriptedLeader(LeaderSettings(task=1, seed=4, tremor_rad=0.0))
    path = shown(quiet)
    reference = quiet.expert.reference
    np.testing.assert_allclose(path[[0, -1], :7], reference[[0, -1], :7], atol=1e-9)
    assert set(np.round(path[:, 7])) == {0.0, 1.0}
    again = [shown(ScriptedLeader(LeaderSettings(task=1, seed=4, hand_seed=s))) for s in (5, 5, 6)]
    np.testing.assert_array_equal(again[0], again[1])
    assert len(again[0]) != len(again[2]) or not np.allclose(again[0], again[2])


def test_before_play_it_rests_but_for_its_offset():
    leader = ScriptedLeader(LeaderSettings(tremor_rad=0.0, offset_rad=(0, 0, 0.05, 0, 0, 0, 0)))
    rest = leader.position(1.0) - leader.expert.reference[0]
    np.testing.assert_allclose(rest[:7], [0, 0, 0.05, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(leader.position(1.0), leader.position(9.0))
