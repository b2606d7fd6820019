from __future__ import annotations

from kinevla.bench.statistics import Spread, ratio_of_medians


def test_a_spread_is_median_and_ninetieth_percentile() -> None:
    spread = Spread.of([float(value) for value in range(1, 12)])
    assert (spread.median, spread.p90, spread.count) == (6.0, 10.0, 11)


def test_a_constant_ratio_has_an_interval_of_no_width() -> None:
    ratio = ratio_of_medians([6.0] * 8, [2.0] * 8)
    assert (ratio.value, ratio.low, ratio.high) == (3.0, 3.0, 3.0)


def test_the_interval_holds_the_ratio_and_widens_with_the_spread() -> None:
    narrow = ratio_of_medians([10.0, 10.1, 9.9, 10.0, 10.05], [2.0, 2.01, 1.99, 2.0, 2.0])
    wide = ratio_of_medians([10.0, 14.0, 7.0, 10.0, 12.0], [2.0, 3.0, 1.0, 2.0, 1.5])
    for ratio in (narrow, wide):
        assert ratio.low <= ratio.value <= ratio.high
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
