from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinevla.actions import ActionNormaliser, BinTokenizer, TokenizerError


@settings(max_examples=40, deadline=None)
@given(horizon=st.integers(1, 6), dimensions=st.integers(1, 9), seed=st.integers(0, 1000))
def test_binning_loses_at_most_half_a_bin(horizon, dimensions, seed):
    rng = np.random.default_rng(seed)
    chunks = rng.normal(size=(20, horizon, dimensions))
    chunks[..., -1] = rng.random((20, horizon))
    normaliser = ActionNormaliser.fit(chunks)
    tokenizer = BinTokenizer(normaliser, horizon)
    codes = tokenizer.encode(chunks)
    assert codes.shape == (20, horizon * dimensions) == (20, tokenizer.codes_per_chunk)
    half_bin = np.where(normaliser.keep, 1.0, 2.0 * normaliser.scale) / 256 / 2
    assert np.all(np.abs(tokenizer.decode(codes) - chunks) <= half_bin + 1e-9)


def test_code_outside_the_bins_is_refused():
    tokenizer = BinTokenizer(ActionNormaliser.fit(np.random.default_rng(0).random((5, 2))), 1)
    with pytest.raises(TokenizerError, match=r"256 .* 0\.\.255"):
        tokenizer.decode(np.array([[0, 256]]))
