from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinevla.data.chunks import (
    ChunkConfig,
    build_chunks,
    cut_chunks,
    episode_chunks,
    smooth,
    split_of,
    to_absolute,
    to_relative,
)


def test_chunk_starts_at_its_frame_and_is_padded_with_the_last_target():
    trajectory = np.arange(6.0)[:, None] * np.ones(2)
    chunks = cut_chunks(trajectory, 5)
    assert chunks.shape == (6, 5, 2)
    assert chunks[0, :, 0].tolist() == [0, 1, 2, 3, 4]
    assert chunks[4, :, 0].tolist() == [4, 5, 5, 5, 5]


def test_joints_are_relative_to_the_measured_state_and_the_gripper_is_absolute(make_episode):
    episode = make_episode()
    chunks = episode_chunks(episode, ChunkConfig())
    np.testing.assert_allclose(chunks[3, 2, :7], episode.target[5, :7] - episode.state[3, :7])
    np.testing.assert_allclose(chunks[3, :, 7], episode.target[3:8, 7])


def test_recovery_label_of_a_disturbed_episode_is_the_clean_target(make_episode):
    episode = make_episode()
    pushed = make_episode(executed=episode.executed + 0.5)
    np.testing.assert_array_equal(
        episode_chunks(pushed, ChunkConfig()), episode_chunks(episode, ChunkConfig())
    )


@given(
    steps=st.integers(1, 9),
    dimensions=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    gripper=st.booleans(),
)
def test_relative_and_absolute_undo_each_other_for_any_size(steps, dimensions, seed, gripper):
    rng = np.random.default_rng(seed)
    chunks, states = rng.normal(size=(3, steps, dimensions)), rng.normal(size=(3, dimensions))
    absolute = (-1,) if gripper else ()
    back = to_absolute(to_relative(chunks, states, absolute), states, absolute)
    np.testing.assert_allclose(back, chunks, atol=1e-12)


def test_coarse_chunks_keep_slow_motion_and_lose_shaking(make_episode):
    time_s = np.arange(60) * 0.1
    slow = np.sin(0.5 * time_s)[:, None] * np.ones(8)
    shaking = 0.1 * (-1.0) ** np.arange(60)[:, None]
    assert np.abs(smooth(slow + shaking, 2.0) - slow)[10:50].max() < 0.02
    images = make_episode(frames=60)
    shaken = make_episode(
        frames=60,
        state=slow,
        target=slow + shaking,
        executed=slow,
        front_jpeg=images.front_jpeg,
        wrist_jpeg=images.wrist_jpeg,
    )
    config = ChunkConfig(smoothing_frames=1.0, sharp_dimensions=())
    coarse = episode_chunks(shaken, config, coarse=True)
    fine = episode_chunks(shaken, config)
    assert np.abs(np.diff(coarse[10:40], axis=1)).max() < 0.2 * np.abs(np.diff(fine[10:40], axis=1)).max()


def test_split_holds_out_whole_episodes_and_never_moves_one(make_episode):
    episodes = [make_episode(seed=seed) for seed in range(40)]
    config = ChunkConfig(val_percent=25)
    train = build_chunks(episodes, config, split="train")
    held_out = build_chunks(episodes, config, split="val")
    assert not set(train.episode) & set(held_out.episode)
    assert len(train) + len(held_out) == len(build_chunks(episodes, config)) == 40 * 12
    again = build_chunks(episodes[:20], config, split="val")
    assert set(again.episode) == {index for index in held_out.episode if index < 20}
    assert split_of(5, 0) == "train"


def test_empty_split_is_refused(make_episode):
    with pytest.raises(ValueError, match="'val'"):
        build_chunks([make_episode()], ChunkConfig(val_percent=0), split="val")


def test_unknown_split_is_refused(make_episode):
    with pytest.raises(ValueError, match="'test'"):
        build_chunks([make_episode()], ChunkConfig(), split="test")


def test_gripper_closes_at_once_in_coarse_chunks_too(make_episode):
    episode = make_episode()
    coarse, fine = (episode_chunks(episode, ChunkConfig(), coarse=coarse) for coarse in (True, False))
    np.testing.assert_array_equal(coarse[..., 7], fine[..., 7])
    assert not np.allclose(coarse[..., :7], fine[..., :7])


def test_absolute_joint_targets_are_the_targets_themselves(make_episode):
    episode = make_episode()
    chunks = episode_chunks(episode, ChunkConfig(joint_targets="absolute"))
    np.testing.assert_array_equal(chunks[3], episode.target[3:8])
    assert ChunkConfig(joint_targets="absolute").absolute_in(3) == (0, 1, 2)
    assert ChunkConfig().absolute_in(3) == (-1,)


def test_unknown_joint_targets_are_refused():
    with pytest.raises(ValueError, match="'deltas'"):
        ChunkConfig(joint_targets="deltas")


@pytest.mark.parametrize("field", ["absolute_dimensions", "sharp_dimensions"])
def test_dimension_outside_the_action_is_refused(make_episode, field):
    with pytest.raises(ValueError, match="dimension 8 lies outside an action of 8"):
        episode_chunks(make_episode(), ChunkConfig(**{field: (8,)}), coarse=True)
