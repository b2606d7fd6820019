"""What an encoder trembles is no range, and rare motion belongs to one."""

from __future__ import annotations

import numpy as np
import pytest

from kinevla.actions.normaliser import ActionNormaliser
from kinevla.ranges import MIN_SPAN, remarks


def actions(**columns: np.ndarray) -> np.ndarray:
    values = np.random.default_rng(0).normal(0.0, 0.05, (5000, 7))
    for name, column in columns.items():
        values[:, int(name[1:])] = column
    return values


@pytest.mark.parametrize("mode", ["min_max", "quantile"])
@pytest.mark.parametrize("noise", [1e-3, 1e-4, 3.5e-5, 1e-5, 1e-6])
def test_a_joint_that_only_trembles_stays_near_zero_and_a_real_motion_stays_small(mode, noise):
    values = actions(d4=1.57 + np.random.default_rng(1).uniform(0, noise, 5000))
    normaliser = ActionNormaliser.fit(values, mode=mode)
    assert abs(normaliser.normalise(values)[:, 4]).max() <= noise / MIN_SPAN * 1.01
    beside = values[:1].copy()
    beside[0, 4] += 0.05
    assert abs(normaliser.normalise(beside)[0, 4]) <= 2 * 0.06 / MIN_SPAN


def test_a_dimension_that_never_moves_comes_back_as_its_constant():
    normaliser = ActionNormaliser.fit(actions(d4=np.full(5000, 0.3)))
    assert normaliser.denormalise(np.ones((1, 7)))[0, 4] == 0.3


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("still", [0.0, 0.002])
def test_rare_motion_survives_the_quantiles_and_a_single_glitch_does_not_widen_them(sign, still):
    column = np.random.default_rng(2).normal(0, still, 5000)
    column[:40] = 0.4 * sign
    normaliser = ActionNormaliser.fit(actions(d4=column), mode="quantile")
    back = normaliser.denormalise(normaliser.normalise(actions(d4=column)))
    assert back[:40, 4] == pytest.approx(0.4 * sign, abs=1e-3)
    glitch = actions()
    glitch[7, 4] = 50.0
    plain = ActionNormaliser.fit(actions(), mode="quantile")
    assert ActionNormaliser.fit(glitch, mode="quantile").high[4] == pytest.approx(plain.high[4], rel=0.05)


def test_ordinary_quantiles_are_those_of_one_and_ninety_nine_percent():
    values = np.concatenate([actions(), np.random.default_rng(3).laplace(0, 0.05, (5000, 7))])
    normaliser = ActionNormaliser.fit(values, mode="quantile")
    assert np.allclose(normaliser.high, np.quantile(values, 0.99, axis=0))


def test_the_figures_of_a_data_set_say_what_stands_still_and_what_moves_rarely():
    column = np.zeros(5000)
    column[:40] = 0.4
    said = remarks(actions(d1=np.full(5000, 2.0), d2=np.linspace(0, 3e-5, 5000), d4=column))
    assert said[0] == "" and said[1] == "never moves"
    assert said[2].startswith("stands still: trembles by 3e-05")
    assert said[4] == "moves rarely: quantiles reach from 0.0000 to 0.4000"
