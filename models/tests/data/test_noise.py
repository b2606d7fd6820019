from __future__ import annotations

import numpy as np
import pytest

from kinevla.data.noise import NoiseConfig, disturbance, noise_gain, ornstein_uhlenbeck

HOME = np.append(np.deg2rad([0, 20, 0, 70, 0, 90, 0]), 1.0)


def reference(steps: int = 60) -> np.ndarray:
    path = np.repeat(HOME[None], steps, axis=0)
    path[30:, 7] = 0.0
    return path


def test_offsets_are_smooth_and_of_the_stated_strength():
    path = ornstein_uhlenbeck(np.random.default_rng(0), 4000, 7, 0.1, 0.5)
    assert path[200:].std() == pytest.approx(1.0, abs=0.1)
    # Steps between frames are well below the independent draws' sqrt(2).
    assert np.diff(path[200:], axis=0).std() < 0.75


def test_there_is_no_offset_while_the_gripper_closes_nor_at_the_end():
    gain = noise_gain(reference(), 0.1, NoiseConfig())
    assert not gain[28:32].any()
    assert gain[-1] == 0.0
    assert gain[:15].max() == 1.0


def test_there_is_no_offset_at_the_table():
    low = reference()
    # 25 cm lower than home at the shoulder's radius: bend the arm until the tool touches the table.
    low[:, 1] += 0.9
    assert noise_gain(low, 0.1, NoiseConfig()).max() == 0.0


def test_share_of_disturbed_episodes_is_kept_and_seeds_fix_the_draw():
    config = NoiseConfig(share=0.5)
    draws = [disturbance(reference(), 0.1, config, (seed, 1)) for seed in range(200)]
    assert 75 < sum(np.any(draw) for draw in draws) < 125
    again = disturbance(reference(), 0.1, config, (17, 1))
    np.testing.assert_array_equal(draws[17], again)
    assert not np.any(disturbance(reference(), 0.1, NoiseConfig(share=0.0), (1, 1)))


def test_an_impossible_share_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1, got 1\.5"):
        NoiseConfig(share=1.5)
