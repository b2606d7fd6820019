from __future__ import annotations

import numpy as np
import pytest

from kinevla.actions import ActionNormaliser, BinTokenizer, TokenizerError
from kinevla.data.chunks import ChunkConfig


def tokenizer(bins: int = 256) -> BinTokenizer:
    actions = np.array([[-1.0, 0.0], [1.0, 1.0]])
    return BinTokenizer(ActionNormaliser.fit(actions), ChunkConfig(horizon=1), 0.1, bins)


def test_codes_are_the_bins_of_openvla_frame_by_frame():
    codes = tokenizer().encode(np.array([[[-1.0, 0.0]], [[0.0, 0.5]], [[1.0, 1.0]]]))
    assert codes.tolist() == [[0, 0], [128, 128], [255, 255]]
    assert tokenizer().codes_per_chunk == tokenizer().goal_levels == 2


def test_value_outside_the_range_falls_into_the_outermost_bin():
    assert tokenizer().encode(np.array([[[-7.0, 3.0]]])).tolist() == [[0, 255]]


def test_all_places_share_one_block_of_codes():
    assert tokenizer().shared_block
    first, second = tokenizer().code_vectors()
    np.testing.assert_array_equal(first, second)
    assert np.all(np.diff(first[:, 0]) > 0)


def test_code_outside_the_bins_is_refused():
    with pytest.raises(TokenizerError, match=r"256 .* 0\.\.255"):
        tokenizer().decode(np.array([[0, 256]]))


def test_a_single_bin_is_refused():
    with pytest.raises(TokenizerError, match="at least 2, got 1"):
        tokenizer(1)
