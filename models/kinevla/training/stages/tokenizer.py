"""Training of the bi-level tokeniser in two stages (KineVLA, section 3.1).

Stage I learns encoder, goal stack and decoder on coarse actions. Stage II freezes the goal stack, adds a
fresh kinematics stack and fine-tunes encoder and decoder on the demonstrations as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.actions.losses import reconstruction_loss, rvq_loss
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.rvq_vae import RvqVae
from kinevla.plain import to_plain
from kinevla.training.course import Schedule
from kinevla.training.engine import Engine, EngineConfig, Stage
from kinevla.training.tokenizer_config import TokenizerTrainingConfig

_COLUMNS = ("stage", "step", "loss", "reconstruction", "commitment", "learning_rate", "elapsed_s")
_LOG_EVERY = 50


@dataclass(frozen=True)
class TrainedTokenizer:
    """Outcome of `train_tokenizer`."""

    network: RvqVae  # the network as it is now
    normaliser: ActionNormaliser
    stage: int  # stage reached (1 or 2)
    complete: bool  # both stages ran to their end


def train_tokenizer(
    coarse_chunks: NDArray[np.floating],
    chunks: NDArray[np.floating],
    config: TokenizerTrainingConfig,
    *,
    directory: Path | None = None,
    max_minutes: float | None = None,
    progress: bool = True,
) -> TrainedTokenizer:
    """Train both stages, or as much as the time allows.

    Args:
        coarse_chunks: (N1, T, D) relative coarse chunks for Stage I.
        chunks: (N2, T, D) relative chunks for Stage II.
        config: sizes and schedule; `kinematics_levels` 0 makes a single-level tokeniser, for which only
            Stage I runs (pass the full chunks as `coarse_chunks` then).
        directory: where state and metrics go; a run found there is continued. None keeps nothing.

    Raises:
        ValueError: data and configuration do not fit.
        ResumeError: the directory holds a run with other settings or data, or a damaged state.
    """
    sizes = config.network
    for name, array in (("coarse_chunks", coarse_chunks), ("chunks", chunks)):
        if array.ndim != 3 or array.shape[1:] != (sizes.horizon, sizes.dimensions):
            raise ValueError(
                f"{name} has shape {array.shape}, expected (N, {sizes.horizon}, {sizes.dimensions})"
            )
        if len(array) < sizes.codebook_size:
            raise ValueError(
                f"{name} holds {len(array)} chunks, fewer than codebook_size {sizes.codebook_size}"
            )
    normaliser = ActionNormaliser.fit(chunks, keep_dimensions=config.keep_dimensions, mode=config.mode)
    coarse, fine = (torch.from_numpy(normaliser.normalise(a)).float() for a in (coarse_chunks, chunks))
    weights = _weights(normaliser, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = RvqVae(sizes)
    network.set_metric(_metric(weights, fine))
    stages = [TokenizerStage(network, coarse, weights, config)]
    if sizes.kinematics_levels:
        stages.append(TokenizerStage(network, fine, weights, config, kinematics=True))
    engine = Engine(
        stages,
        EngineConfig(
            out=directory,
            identity=_identity(config, normaliser, coarse, fine),
            columns=_COLUMNS,
            schedule=Schedule(config.learning_rate, final=config.final_learning_rate / config.learning_rate),
            seed=config.seed,
            batch_size=config.batch,
            max_minutes=max_minutes,
            log_every=_LOG_EVERY,
            save_every=config.save_every,
            progress=progress,
        ),
    )
    engine.train()
    return TrainedTokenizer(network.eval(), normaliser, engine.number, engine.complete)


class TokenizerStage(Stage):
    """Stage I or II of the tokeniser.

    Args:
        network: what is trained; the stages share it.
        data: (N, T, D) normalised chunks.
        weights: (D,) weight of each dimension in the loss.
    """

    def __init__(
        self,
        network: RvqVae,
        data: Tensor,
        weights: Tensor,
        config: TokenizerTrainingConfig,
        kinematics: bool = False,
    ) -> None:
        self.network, self.data, self.weights, self.config = network, data, weights, config
        self.kinematics = kinematics
        self.max_steps = config.stage2_steps if kinematics else config.stage1_steps
        self._first_quantised = 0 if kinematics else config.warmup_steps

    def start(self, state: dict[str, Any] | None) -> None:
        """Freeze what this stage does not train and begin with a fresh optimiser, or the stored one."""
        network, config = self.network, self.config
        # An encoder that is kept as it starts needs no gradients, nor should they count in the clipping.
        network.encoder.requires_grad_(config.encoder_share > 0.0)
        if self.kinematics:
            network.freeze_goal()
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(network.encoder.parameters()), "share": config.encoder_share},
                {"params": list(network.decoder.parameters()), "share": 1.0},
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=config.weight_decay,
        )
        if state is not None:
            network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])

    def step(self, number: int, rate: float) -> Mapping[str, Tensor]:
        """Fit a random batch; the first quantised step starts the codebooks from a large one."""
        config, network, data = self.config, self.network, self.data
        network.train()
        if number == self._first_quantised:
            with torch.no_grad():
                latents = network.encode_latent(data[torch.randint(len(data), (config.start_batch,))])
                network.quantise(
                    latents, kinematics=self.kinematics, foreign=self._foreign(config.start_batch)
                )
        batch = data[torch.randint(len(data), (config.batch,))]
        if number >= self._first_quantised:
            output, quantised = network(
                batch, kinematics=self.kinematics, foreign=self._foreign(config.batch)
            )
            commitment = quantised.commitment
        else:
            output = network.decode_latent(network.encode_latent(batch))
            commitment = output.new_zeros(())
        reconstruction = reconstruction_loss(output, batch, self.weights)
        loss = rvq_loss(reconstruction, commitment)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [p for p in network.parameters() if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(trained, config.clip_norm)
        self.optimiser.step()
        losses = {"loss": loss, "reconstruction": reconstruction, "commitment": commitment}
        return {name: value.detach() for name, value in losses.items()}

    def _foreign(self, chunks: int) -> int:
        """Return how many of these many chunks get the goal codes of another one."""
        return round(chunks * self.config.foreign_goal_share) if self.kinematics else 0

    def state(self) -> dict[str, Any]:
        """Return network and optimiser."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}


def _weights(normaliser: ActionNormaliser, config: TokenizerTrainingConfig) -> Tensor:
    """Weights per dimension (D,) with mean 1 over the joints."""
    keep = np.asarray(normaliser.keep)
    weights = np.ones(normaliser.dimensions)
    joints = normaliser.scale[~keep]
    if config.joint_weight_by_range and joints.sum() > 0.0:
        weights[~keep] = joints / joints.mean()
    weights[keep] = config.gripper_weight
    return torch.from_numpy(weights).float()


def _metric(weights: Tensor, data: Tensor) -> Tensor:
    """Return the weights (D,) scaled such that a latent has about unit variance per dimension."""
    floor = 1e-3 * float(weights.max())
    spread = ((data - data.mean(dim=0)) * weights).square().mean().sqrt()
    return weights.clamp_min(floor) / spread.clamp_min(1e-6)


def _identity(
    config: TokenizerTrainingConfig, normaliser: ActionNormaliser, coarse: Tensor, fine: Tensor
) -> dict[str, Any]:
    """Return what a continued run must share with the one it continues."""
    plain = to_plain(config)
    del plain["save_every"]
    chunks = {
        name: hashlib.sha256(array.numpy().tobytes()).hexdigest()
        for name, array in (("coarse_chunks", coarse), ("chunks", fine))
    }
    return plain | chunks | {"statistics": normaliser.sha256}
