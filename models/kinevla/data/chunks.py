"""From episodes to action chunks: the samples the tokeniser and the policy learn from.

At frame t a chunk holds the reference targets of the next `horizon` periods. By default joints are expressed
relative to the joints measured at t, because small offsets are far easier to quantise than absolute angles;
the gripper stays absolute. Adding the measured joints back gives the absolute targets that go on the wire.
Absolute joint targets, or actions that are deltas already (end-effector deltas), take
`joint_targets="absolute"`: nothing is subtracted then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinevla.data.episode import Episode

HORIZON = 5
Split = str  # "train" or "val"


@dataclass(frozen=True)
class ChunkConfig:
    """How chunks are cut."""

    horizon: int = HORIZON  # frames per chunk
    # dimensions that stay absolute, as the gripper; negative counts from the end
    absolute_dimensions: tuple[int, ...] = (-1,)
    val_percent: int = 10  # share of episodes held out, by hash of task and seed
    # standard deviation of the Gaussian low-pass that makes coarse chunks, frames
    smoothing_frames: float = 0.4
    # low-pass the measured state as well. Without it the coarse chunk still starts from where the arm really
    # is, and the goal codes carry more of the motion
    smooth_state: bool = False
    # "relative" to the measured joints, or "absolute": no dimension is relative to the state and
    # `absolute_dimensions` says nothing new. Which dimensions the scaling leaves at 0..1 (gripper) is another
    # question: see `TokenizerTrainingConfig.keep_dimensions`
    joint_targets: Literal["relative", "absolute"] = "relative"
    # dimensions the low-pass leaves alone, as the gripper: closing is an event, and codes spent on a half-
    # closed gripper that never occurs are wasted; negative counts from the end
    sharp_dimensions: tuple[int, ...] = (-1,)

    def __post_init__(self) -> None:
        if self.joint_targets not in ("relative", "absolute"):
            raise ValueError(f"joint_targets must be relative or absolute, got {self.joint_targets!r}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {self.horizon}")
        if not 0 <= self.val_percent < 100:
            raise ValueError(f"val_percent must be in 0..99, got {self.val_percent}")
        if not self.smoothing_frames > 0.0:
            raise ValueError(f"smoothing_frames must be positive, got {self.smoothing_frames}")

    def absolute_in(self, dimensions: int) -> tuple[int, ...]:
        """Return which of an action's D dimensions are not relative to the measured state."""
        return tuple(range(dimensions)) if self.joint_targets == "absolute" else self.absolute_dimensions


@dataclass(frozen=True)
class ChunkSet:
    """N chunks with where they came from."""

    # (N, T, D) float32: joints as `ChunkConfig.joint_targets` says, gripper absolute
    chunks: NDArray[np.float32]
    states: NDArray[np.float32]  # (N, D) float32, measured at the chunk's first frame
    task: NDArray[np.int64]  # (N,) task numbers
    episode: NDArray[np.int64]  # (N,) index of the episode in the sequence the set was made from
    frame: NDArray[np.int64]  # (N,) frame within the episode

    def __len__(self) -> int:
        return len(self.chunks)


def all_but(dimensions: int, excluded: Sequence[int], what: str = "absolute") -> NDArray[np.bool_]:
    """Return a (D,) mask that is False at the excluded indices, those that are `what`.

    Raises:
        ValueError: an index outside -D..D-1.
    """
    mask = np.ones(dimensions, dtype=np.bool_)
    for index in excluded:
        if not -dimensions <= index < dimensions:
            raise ValueError(f"{what} dimension {index} lies outside an action of {dimensions} dimensions")
        mask[index] = False
    return mask


def to_relative(
    chunks: NDArray[np.floating], states: NDArray[np.floating], absolute_dimensions: Sequence[int] = (-1,)
) -> NDArray[np.float64]:
    """Subtract the measured state (..., D) from absolute targets (..., T, D), except absolute dimensions."""
    mask = all_but(chunks.shape[-1], absolute_dimensions)
    if not mask.any():
        return np.array(chunks, dtype=np.float64)
    return np.asarray(chunks - np.where(mask, states, 0.0)[..., None, :], dtype=np.float64)


def to_absolute(
    chunks: NDArray[np.floating], states: NDArray[np.floating], absolute_dimensions: Sequence[int] = (-1,)
) -> NDArray[np.float64]:
    """Undo `to_relative`: relative chunks (..., T, D) and measured states (..., D) to absolute targets."""
    mask = all_but(chunks.shape[-1], absolute_dimensions)
    if not mask.any():
        return np.array(chunks, dtype=np.float64)
    return np.asarray(chunks + np.where(mask, states, 0.0)[..., None, :], dtype=np.float64)


def cut_chunks(trajectory: NDArray[np.floating], horizon: int) -> NDArray[np.float64]:
    """Cut one chunk per frame from a trajectory (T, D); past the end its last target is repeated.

    Returns:
        (T, horizon, D).
    """
    index = np.arange(len(trajectory))[:, None] + np.arange(horizon)[None, :]
    return np.asarray(trajectory[np.minimum(index, len(trajectory) - 1)], dtype=np.float64)


def smooth(trajectory: NDArray[np.floating], sigma_frames: float) -> NDArray[np.float64]:
    """Low-pass a trajectory (T, D) along time with a Gaussian of `sigma_frames`; ends are held."""
    from scipy.ndimage import gaussian_filter1d  # only here: takes as long as all other imports together

    values = np.asarray(trajectory, dtype=np.float64)
    return np.asarray(gaussian_filter1d(values, sigma_frames, axis=0, mode="nearest"), dtype=np.float64)


def episode_chunks(episode: Episode, config: ChunkConfig, *, coarse: bool = False) -> NDArray[np.float64]:
    """Return one chunk per frame of an episode: (T_episode, horizon, D).

    Args:
        coarse: True gives the coarse actions of Stage I: targets low-passed before cutting, so that only
            slow motion remains; False gives the kinematics-rich actions of Stage II as they are.
    """
    target, state = episode.target, episode.state
    if coarse:
        slow = smooth(target, config.smoothing_frames)
        target = np.where(all_but(target.shape[1], config.sharp_dimensions, "sharp"), slow, target)
        if config.smooth_state:
            state = smooth(state, config.smoothing_frames)
    return to_relative(cut_chunks(target, config.horizon), state, config.absolute_in(target.shape[1]))


def split_of(seed: int, val_percent: int) -> Split:
    """Say to which split an episode belongs: by hash of its scene, so that adding episodes moves none.

    All tasks of a scene are on the same side: what is held out has never been seen.
    """
    return "val" if percentile_of(seed) < val_percent else "train"


def percentile_of(seed: int) -> int:
    """Return the place of a scene among all, 0..99, by hash: the lowest ones are held out first."""
    return int.from_bytes(hashlib.sha256(f"{seed}".encode()).digest()[:4], "big") % 100


def build_chunks(
    episodes: Iterable[Episode],
    config: ChunkConfig,
    *,
    split: Split | None = None,
    coarse: bool = False,
    parts: Mapping[str, Split] | None = None,
) -> ChunkSet:
    """Collect the chunks of all episodes of a split ("train", "val", or None for all).

    Args:
        parts: the part of each episode by name (`split.read_split`); None divides by `config.val_percent`.

    Raises:
        ValueError: no episode in the split, or episodes of different action dimensions.
    """
    chunks: list[NDArray[np.float32]] = []
    states: list[NDArray[np.float32]] = []
    task, index, frame = [], [], []
    for number, episode in enumerate(episodes):
        if split is not None:
            by_hash = split_of(episode.seed, config.val_percent)
            if (by_hash if parts is None else parts[episode.name]) != split:
                continue
        if chunks and chunks[0].shape[-1] != episode.target.shape[-1]:
            raise ValueError(
                f"episode {episode.name} has {episode.target.shape[-1]} dimensions, "
                f"others {chunks[0].shape[-1]}"
            )
        chunks.append(episode_chunks(episode, config, coarse=coarse).astype(np.float32))
        states.append(episode.state.astype(np.float32))
        task.append(np.full(len(episode), episode.task))
        index.append(np.full(len(episode), number))
        frame.append(np.arange(len(episode)))
    if not chunks:
        raise ValueError(f"no episode belongs to split {split!r}")
    return ChunkSet(
        chunks=np.concatenate(chunks),
        states=np.concatenate(states),
        task=np.concatenate(task).astype(np.int64),
        episode=np.concatenate(index).astype(np.int64),
        frame=np.concatenate(frame).astype(np.int64),
    )
