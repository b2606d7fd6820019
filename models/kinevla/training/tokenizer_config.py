"""Schedule of the tokeniser's training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kinevla.actions.normaliser import Mode
from kinevla.actions.rvq_config import RvqVaeConfig


@dataclass(frozen=True)
class FastConfig:
    """Settings of the FAST-style tokeniser."""

    scale: float = 10.0  # integer steps per unit of a normalised cosine coefficient (10 in the paper)
    vocabulary: int = 1024  # size of the byte-pair vocabulary (1024 in the paper)


@dataclass(frozen=True)
class TokenizerTrainingConfig:
    """How to train; the defaults fit some ten thousand chunks on one core."""

    network: RvqVaeConfig = field(default_factory=RvqVaeConfig)  # sizes
    mode: Mode = "min_max"  # scaling of the actions: min_max for joints, quantile for end-effector deltas
    # dimensions the scaling leaves as they are (gripper, 0..1); negative counts from the end
    keep_dimensions: tuple[int, ...] = (-1,)
    bins: int = 256  # number of bins, for the kind that has bins
    stage1_steps: int = 300  # steps of Stage I
    stage2_steps: int = 900  # steps of Stage II
    warmup_steps: int = 0  # first steps of Stage I without quantisation
    batch: int = 1024  # chunks per step; at least the codebook size
    start_batch: int = 8192  # chunks of the one batch that starts the codebooks by k-means
    learning_rate: float = 1e-3  # AdamW peak
    final_learning_rate: float = 1e-5  # end of the cosine
    # the encoder's share of the learning rate, 0 keeps it as it starts: distances between latents then stay
    # those between actions. Straight-through gradients made it worse (see docs)
    encoder_share: float = 0.0
    # share of the chunks of Stage II whose goal codes are those of another chunk. A policy that reads a
    # motion for the goal and one for the kinematics needs it: the goal's codes have wrong what it leaves
    # open, further off than codes reach that only ever refined right ones
    foreign_goal_share: float = 0.0
    weight_decay: float = 2e-4  # AdamW weight decay
    clip_norm: float = 1.0  # bound of the gradient's norm
    # True weighs each joint's error by its range, so that the loss counts rad
    joint_weight_by_range: bool = True
    gripper_weight: float = 0.25  # weight of a kept dimension relative to the mean joint
    seed: int = 0  # of everything random
    save_every: int = 250  # steps between resumable states

    def __post_init__(self) -> None:
        if min(self.batch, self.start_batch) < self.network.codebook_size:
            raise ValueError(
                f"batch {self.batch} and start_batch {self.start_batch} must hold at least codebook_size = "
                f"{self.network.codebook_size} chunks: k-means starts one code from each of that many"
            )
        if self.stage1_steps < 1 or self.stage2_steps < 1 or not 0 <= self.warmup_steps < self.stage1_steps:
            raise ValueError("stages need at least one step, and warmup_steps must end within Stage I")
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if self.save_every < 1:
            raise ValueError(f"save_every must be at least 1, got {self.save_every}")

    def single_level(self) -> TokenizerTrainingConfig:
        """Return the same training for one stack with as many codes per chunk and as many steps in all."""
        network = replace(self.network, goal_levels=self.network.levels, kinematics_levels=0)
        steps = self.stage1_steps + (self.stage2_steps if self.network.kinematics_levels else 0)
        return replace(self, network=network, stage1_steps=steps)
