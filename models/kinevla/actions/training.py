"""Training of the bi-level tokeniser in two stages (KineVLA, section 3.1).

Stage I learns encoder, goal stack and decoder on coarse actions. Stage II freezes the goal stack, adds a
fresh kinematics stack and fine-tunes encoder and decoder on the demonstrations as they are.

Every random draw of a step is seeded by (seed, stage, step), so a run that was stopped and continued ends
with the same numbers as one that never stopped.
"""

from __future__ import annotations

import csv
import io
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from kinevla.actions.losses import reconstruction_loss, rvq_loss
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.rvq_vae import RvqVae
from kinevla.actions.training_config import TokenizerTrainingConfig
from kinevla.data.workers import Deadline
from kinevla.manifest import json_sha256, to_plain, write_atomically

__all__ = ["TokenizerTrainingConfig", "TrainedTokenizer", "train_tokenizer"]

PROGRESS_NAME = "progress.pt"
METRICS_NAME = "metrics.csv"
_METRICS = ("stage", "step", "loss", "reconstruction", "commitment", "learning_rate", "elapsed_s")


@dataclass(frozen=True)
class TrainedTokenizer:
    """Outcome of `train_tokenizer`.

    Attributes:
        network: the network as it is now.
        normaliser: its statistics.
        stage: stage reached (1 or 2).
        step: steps done in that stage.
        complete: both stages ran to their end.
    """

    network: RvqVae
    normaliser: ActionNormaliser
    stage: int
    step: int
    complete: bool


class _Run:
    """State of a training run that is stored in a checkpoint."""

    def __init__(self, config: TokenizerTrainingConfig, network: RvqVae, fingerprint: str) -> None:
        self.config = config
        self.network = network
        self.fingerprint = fingerprint
        self.stage = 1
        self.step = 0
        self.elapsed_s = 0.0
        self.metrics: list[dict[str, float]] = []
        # An encoder that is kept as it starts needs no gradients, nor should they count in the clipping.
        network.encoder.requires_grad_(config.encoder_share > 0.0)
        self.optimiser = self._new_optimiser()

    def _new_optimiser(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            [
                {"params": list(self.network.encoder.parameters()), "share": self.config.encoder_share},
                {"params": list(self.network.decoder.parameters()), "share": 1.0},
            ],
            lr=self.config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=self.config.weight_decay,
        )

    def steps(self) -> int:
        return self.config.stage1_steps if self.stage == 1 else self.config.stage2_steps

    def begin_stage_two(self) -> None:
        self.stage, self.step = 2, 0
        self.network.freeze_goal()
        self.optimiser = self._new_optimiser()

    def save(self, path: Path) -> None:
        stream = io.BytesIO()
        content = {
            "fingerprint": self.fingerprint,
            "stage": self.stage,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "metrics": self.metrics,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(content, stream)
        write_atomically(path, stream.getvalue())

    def load(self, path: Path) -> None:
        try:
            content: dict[str, Any] = torch.load(path, weights_only=True)
        except Exception as error:
            raise ValueError(f"{path} is damaged ({error}): delete it to start again") from error
        if content["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"{path} belongs to a run with another configuration or other data: use another directory or "
                "delete it to start again"
            )
        if content["stage"] == 2:
            self.begin_stage_two()
        self.step, self.elapsed_s, self.metrics = content["step"], content["elapsed_s"], content["metrics"]
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])


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
        directory: where checkpoints and metrics go; a run found there is continued. None keeps nothing.
        max_minutes: time budget.
        progress: show a progress bar.

    Raises:
        ValueError: data and configuration do not fit, or the checkpoint belongs to another run.
    """
    network_config = config.network
    for name, array in (("coarse_chunks", coarse_chunks), ("chunks", chunks)):
        if array.ndim != 3 or array.shape[1:] != (network_config.horizon, network_config.dimensions):
            raise ValueError(
                f"{name} has shape {array.shape}, expected "
                f"(N, {network_config.horizon}, {network_config.dimensions})"
            )
        if len(array) < network_config.codebook_size:
            raise ValueError(
                f"{name} holds {len(array)} chunks, fewer than codebook_size {network_config.codebook_size}"
            )
    deadline = Deadline(max_minutes)
    normaliser = ActionNormaliser.fit(chunks, keep_dimensions=config.keep_dimensions, mode=config.mode)
    data = {
        1: torch.from_numpy(normaliser.normalise(coarse_chunks)).float(),
        2: torch.from_numpy(normaliser.normalise(chunks)).float(),
    }
    weights = _weights(normaliser, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = RvqVae(network_config)
    network.set_metric(_metric(weights, data[2]))
    run = _Run(config, network, _fingerprint(config, normaliser, data))
    checkpoint = None if directory is None else directory / PROGRESS_NAME
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint)
    last_stage = 2 if network_config.kinematics_levels else 1
    total = config.stage1_steps + (config.stage2_steps if last_stage == 2 else 0)
    done = run.step + (config.stage1_steps if run.stage == 2 else 0)
    saved_s = time.monotonic()
    with tqdm(total=total, initial=done, unit="step", disable=not progress) as bar:
        while not deadline.passed:
            if run.step >= run.steps():
                if run.stage == last_stage:
                    break
                run.begin_stage_two()
            begin_s = time.monotonic()
            metrics = _train_step(run, data[run.stage], weights)
            run.elapsed_s += time.monotonic() - begin_s
            bar.update()
            if run.step % 50 == 0 or run.step == run.steps():
                run.metrics.append(
                    {"stage": run.stage, "step": run.step, "elapsed_s": run.elapsed_s, **metrics}
                )
                bar.set_postfix(stage=run.stage, loss=f"{metrics['reconstruction']:.4f}")
            if checkpoint is not None and time.monotonic() - saved_s > config.checkpoint_s:
                run.save(checkpoint)
                saved_s = time.monotonic()
    if checkpoint is not None and directory is not None:
        run.save(checkpoint)
        write_atomically(directory / METRICS_NAME, _csv(run.metrics))
    complete = run.stage == last_stage and run.step >= run.steps()
    return TrainedTokenizer(run.network.eval(), normaliser, run.stage, run.step, complete)


def _train_step(run: _Run, data: Tensor, weights: Tensor) -> dict[str, float]:
    config, network = run.config, run.network
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_step_seed(config.seed, run.stage, run.step))
        quantise = run.stage == 2 or run.step >= config.warmup_steps
        if run.step == (0 if run.stage == 2 else config.warmup_steps):
            with torch.no_grad():
                start = data[torch.randint(len(data), (config.start_batch,))]
                latents = network.encode_latent(start)
                shift = _goal_shift(run, latents)
                coarse = None if shift is None else latents + shift
                network.quantise(latents, kinematics=run.stage == 2, coarse=coarse)
        rate = _learning_rate(config, run.step, run.steps())
        for group in run.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        batch = data[torch.randint(len(data), (config.batch,))]
        if quantise:
            with torch.no_grad():
                shift = _goal_shift(run, network.encode_latent(batch))
            output, quantised = network(batch, kinematics=run.stage == 2, goal_shift=shift)
            commitment = quantised.commitment
        else:
            output = network.decode_latent(network.encode_latent(batch))
            commitment = output.new_zeros(())
        reconstruction = reconstruction_loss(output, batch, weights)
        loss = rvq_loss(reconstruction, commitment)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [p for p in network.parameters() if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(trained, config.clip_norm)
        run.optimiser.step()
    run.step += 1
    return {
        "loss": loss.item(),
        "reconstruction": reconstruction.item(),
        "commitment": commitment.item(),
        "learning_rate": rate,
    }


def _goal_shift(run: _Run, latents: Tensor) -> Tensor | None:
    """Draw where the goal codes of Stage II point to, relative to latents (N, d); None for the latents."""
    if run.stage == 1 or run.config.goal_shift == 0.0:
        return None
    other = latents[torch.randperm(len(latents))]
    return (other - latents) * torch.rand(len(latents), 1) * run.config.goal_shift


def _learning_rate(config: TokenizerTrainingConfig, step: int, steps: int) -> float:
    share = step / max(1, steps - 1)
    width = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + width * 0.5 * (1.0 + math.cos(math.pi * share))


def _step_seed(seed: int, stage: int, step: int) -> int:
    return int(
        np.random.SeedSequence((seed, stage, step)).generate_state(1, dtype=np.uint64)[0] >> np.uint64(1)
    )


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


def _fingerprint(
    config: TokenizerTrainingConfig, normaliser: ActionNormaliser, data: dict[int, Tensor]
) -> str:
    sums = [
        [len(value), float(value.double().sum()), float(value.double().abs().sum())]
        for value in data.values()
    ]
    plain = to_plain(config)
    del plain["checkpoint_s"]
    return json_sha256({"config": plain, "statistics": normaliser.sha256, "data": sums})


def _csv(metrics: list[dict[str, float]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=_METRICS)
    writer.writeheader()
    writer.writerows(metrics)
    return stream.getvalue().encode()
