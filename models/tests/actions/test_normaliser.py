from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinevla.actions import ActionNormaliser, StatisticsError

FINITE = st.floats(-1e3, 1e3, allow_subnormal=False)


@st.composite
def actions(draw) -> np.ndarray:
    shape = draw(st.tuples(st.integers(2, 12), st.integers(1, 6), st.integers(1, 9)))
    return draw(hnp.arrays(np.float64, shape, elements=FINITE))


@settings(max_examples=60, deadline=None)
@given(values=actions(), gripper=st.booleans())
def test_min_max_scaling_is_undone_exactly_for_any_size(values, gripper):
    normaliser = ActionNormaliser.fit(values, keep_dimensions=(-1,) if gripper else ())
    normalised = normaliser.normalise(values)
    inside = normalised[..., ~np.asarray(normaliser.keep)]
    assert inside.size == 0 or np.abs(inside).max() <= 1.0 + 1e-9
    np.testing.assert_allclose(normaliser.denormalise(normalised), values, rtol=1e-9, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(values=actions())
def test_quantile_scaling_is_undone_inside_the_band_and_clipped_outside(values):
    normaliser = ActionNormaliser.fit(values, keep_dimensions=(), mode="quantile")
    back = normaliser.denormalise(normaliser.normalise(values))
    np.testing.assert_allclose(
        back, np.clip(values, np.asarray(normaliser.low), np.asarray(normaliser.high)), rtol=1e-6, atol=1e-6
    )


def test_action_beyond_the_training_range_stays_reachable_with_min_max():
    normaliser = ActionNormaliser.fit(np.array([[-1.0, 0.0], [1.0, 1.0]]))
    assert normaliser.normalise(np.array([1.5, 1.0]))[0] == pytest.approx(1.5)
    assert normaliser.denormalise(np.array([1.5, 1.0]))[0] == pytest.approx(1.5)


def test_gripper_keeps_its_own_zero_to_one():
    values = np.column_stack([np.linspace(-2, 3, 50), np.linspace(0.2, 0.7, 50)])
    normaliser = ActionNormaliser.fit(values)
    np.testing.assert_array_equal(normaliser.normalise(values)[:, 1], values[:, 1])


@pytest.mark.parametrize("mode", ["min_max", "quantile"])
def test_dead_dimension_becomes_zero_and_comes_back_as_its_constant(mode):
    values = np.column_stack([np.linspace(-1, 1, 20), np.full(20, 0.7)])
    normaliser = ActionNormaliser.fit(values, keep_dimensions=(), mode=mode)
    assert not normaliser.normalise(values)[:, 1].any()
    assert np.all(normaliser.denormalise(np.array([[0.0, 0.0], [0.3, 5.0]]))[:, 1] == 0.7)


def test_action_that_is_not_finite_is_refused_and_names_the_dimension():
    normaliser = ActionNormaliser.fit(np.random.default_rng(0).random((5, 3)))
    with pytest.raises(StatisticsError, match="dimension 1"):
        normaliser.normalise(np.array([0.1, np.nan, 0.2]))


def test_action_of_another_size_is_refused():
    normaliser = ActionNormaliser.fit(np.random.default_rng(0).random((5, 3)))
    with pytest.raises(StatisticsError, match="3 dimensions"):
        normaliser.normalise(np.zeros((2, 4)))


def test_statistics_come_back_from_disk_with_the_same_hash(tmp_path):
    normaliser = ActionNormaliser.fit(np.random.default_rng(0).normal(size=(50, 8)))
    normaliser.save(tmp_path / "n.json")
    back = ActionNormaliser.load(tmp_path / "n.json")
    assert back == normaliser
    assert back.sha256 == normaliser.sha256


def test_edited_statistics_are_refused(tmp_path):
    normaliser = ActionNormaliser.fit(np.random.default_rng(0).normal(size=(50, 8)))
    normaliser.save(tmp_path / "n.json")
    content = json.loads((tmp_path / "n.json").read_text())
    content["high"][2] += 0.01
    (tmp_path / "n.json").write_text(json.dumps(content))
    with pytest.raises(StatisticsError, match=r"n\.json"):
        ActionNormaliser.load(tmp_path / "n.json")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"low": [0]}', '{"mode":"x","low":[0],"high":[1],"keep":[false]}']
)
def test_file_without_statistics_is_refused_by_name(tmp_path, content):
    (tmp_path / "n.json").write_text(content)
    with pytest.raises(StatisticsError, match=r"n\.json"):
        ActionNormaliser.load(tmp_path / "n.json")


def test_model_trained_with_other_statistics_is_refused():
    first = ActionNormaliser.fit(np.random.default_rng(0).normal(size=(50, 8)))
    second = ActionNormaliser.fit(np.random.default_rng(1).normal(size=(50, 8)))
    first.require(first.sha256, "the checkpoint")
    with pytest.raises(StatisticsError, match="the checkpoint"):
        second.require(first.sha256, "the checkpoint")
