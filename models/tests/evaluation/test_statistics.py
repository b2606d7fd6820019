from __future__ import annotations

import numpy as np
import pytest

from kinevla.evaluation.statistics import Rate, paired_difference, wilson_interval


def test_wilson_interval_agrees_with_the_published_example():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_interval_covers_the_true_rate_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        low, high = wilson_interval(int(rng.binomial(20, 0.85)), 20)
        hits += low <= 0.85 <= high
    assert 0.92 < hits / 2000 < 0.99


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 4)])
def test_counts_that_are_no_rate_are_refused(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes in {trials}"):
        wilson_interval(successes, trials)


def test_rate_reads_as_count_percent_and_interval():
    assert Rate.of([True] * 17 + [False] * 3).text() == "17/20 85 % [64, 95]"


def test_paired_difference_is_narrow_when_the_same_trials_fail():
    first = [True, False] * 50
    assert paired_difference(first, first) == (0.0, 0.0, 0.0)
    worse = [False if index % 4 == 0 else value for index, value in enumerate(first)]
    difference, low, high = paired_difference(first, worse)
    assert difference == pytest.approx(-0.25)
    assert low < difference < high < 0.0


def test_unpaired_outcomes_are_refused():
    with pytest.raises(ValueError, match="equally many"):
        paired_difference([True], [True, False])
