from __future__ import annotations

import numpy as np
import pytest

from kinevla.evaluation.statistics import BOOTSTRAP, WILSON, Difference, Rate, wilson_interval


def test_wilson_interval_agrees_with_the_published_example():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_trials_that_fail_together_count_as_one():
    """Twenty scenes of seven tasks: a scene fails as a whole, so that 140 trials say no more than twenty."""
    scenes = [scene for scene in range(20) for _ in range(7)]
    together = Rate.of([scene >= 5 for scene in scenes], scenes)
    alone = Rate.of([scene >= 5 for scene in scenes], range(140))
    assert (together.trials, together.scenes, together.rate) == (140, 20, alone.rate)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(7**0.5, rel=0.15)
    assert together.method == BOOTSTRAP


def test_interval_of_clustered_trials_covers_the_true_rate_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    scenes = [scene for scene in range(30) for _ in range(4)]
    for _ in range(150):
        easy = rng.beta(4.0, 2.0, 30)  # mean 2/3, the same for all trials of a scene
        rate = Rate.of([bool(rng.random() < easy[scene]) for scene in scenes], scenes)
        hits += rate.low <= 2 / 3 <= rate.high
    assert 0.88 < hits / 150 < 0.99


@pytest.mark.parametrize("successes", [140, 139, 138])
def test_too_few_scenes_that_differ_widen_the_interval_instead_of_closing_it(successes):
    scenes = [scene for scene in range(20) for _ in range(7)]
    outcomes = [not (index % 7 == 0 and index // 7 < 140 - successes) for index in range(140)]
    rate = Rate.of(outcomes, scenes)
    assert rate.successes == successes and rate.method == WILSON
    assert (rate.low, rate.high) == wilson_interval(20, 20)
    assert rate.text().endswith("[84, 100]*")


def test_scenes_that_all_fail_the_same_task_are_not_taken_for_certainty():
    rate = Rate.of([index % 7 != 3 for index in range(140)], [index // 7 for index in range(140)])
    assert rate.method == WILSON
    assert rate.high - rate.low > 0.2 and rate.low < rate.rate < rate.high


def test_rate_reads_as_count_percent_and_interval():
    rate = Rate.of([True] * 17 + [False] * 3, [0] * 20)
    assert rate.text() == f"17/20 85 % [{100 * rate.low:.0f}, {100 * rate.high:.0f}]*"
    assert rate.scenes == 1


def test_paired_difference_is_narrow_where_the_same_scenes_fail():
    scenes = [index // 2 for index in range(80)]
    first = [index % 2 == 0 for index in range(80)]
    second = [index % 2 == 0 and index % 8 != 0 for index in range(80)]
    found = Difference.of(first, second, scenes)
    assert (found.change, found.trials, found.scenes) == (-0.125, 80, 40)
    assert found.method == BOOTSTRAP
    assert -0.2 <= found.low < found.change < found.high < 0.0
    assert found.text().startswith("-12.5 points [-")


def test_policies_that_never_differ_are_not_said_to_be_equal_for_certain():
    outcomes = [True, False] * 10
    found = Difference.of(outcomes, outcomes, range(20))
    assert found.change == 0.0 and found.method == WILSON
    assert found.low < -0.2 and found.high > 0.2
    whole = Difference.of([True] * 20, [False] * 20, range(20))
    assert whole.low == -1.0 and -0.8 < whole.high < -0.7


def test_unpaired_outcomes_are_refused():
    with pytest.raises(ValueError, match="equally many"):
        Difference.of([True], [True, False], [0])
    with pytest.raises(ValueError, match="at least once"):
        Rate.of([], [])
