"""Teaches the geometry fusion to move the arm, before the decoder learns to speak (ours).

The fusion is a perceptron on one vector per frame, so it can see a thousand frames in the time the decoder
sees twenty. A throw-away head regresses the chunk, and the latent whose quantised form the codes are, from
the geometry tokens and the number of the task; what remains is a set of tokens from which every task's
motion can be read. The decoder then has to find out, from the reasoning text, which motion is meant.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kinevla.actions import ActionTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import PolicyData
from kinevla.training.feature_cache import FeatureCache
from kinevla.training.mapped import mapped_result

log = logging.getLogger(__name__)
_CHOICE_STD = 2.0
_REPORTED = 4096


class MotionHead(nn.Module):
    """Throw-away readout: each task chooses among the geometry tokens, one linear map makes motion of it.

    This is what attention does: select a token and project it. Each token so becomes one hypothesis of what
    the arm might do next, and the decoder only has to find out from the reasoning which of them is meant.
    """

    def __init__(self, tokens: int, hidden: int, tasks: int, outputs: int) -> None:
        super().__init__()
        self.choice = nn.Parameter(torch.randn(tasks, tokens) * _CHOICE_STD)
        self.map = nn.Linear(hidden, outputs)

    def forward(self, tokens: Tensor, task: Tensor) -> Tensor:
        """Return (B, outputs) for geometry tokens (B, G, H) and tasks (B,)."""
        weights = self.choice[task].softmax(-1).to(tokens.dtype)
        return self.map(torch.einsum("bg,bgh->bh", weights, tokens))


def noisy(values: Tensor, deviation: float, generator: torch.Generator, coordinates: int) -> Tensor:
    """Add noise to the first `coordinates` entries of the last dimension."""
    noise = torch.randn((*values.shape[:-1], coordinates), generator=generator) * deviation
    return torch.cat([values[..., :coordinates] + noise, values[..., coordinates:]], dim=-1)


@torch.no_grad()
def _targets(data: PolicyData, tokenizer: ActionTokenizer, directory: Path) -> tuple[Tensor, Tensor]:
    """Return normalised chunks (N, T * D) and their latents (N, d), both mapped from files.

    A tokenizer without latents (bins) gives none: (N, 0).
    """

    def latents(chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        values = tokenizer.latents(chunks)
        return np.zeros((len(chunks), 0), dtype=np.float32) if values is None else values

    latent = mapped_result(directory, latents, data.chunks, np.float32)
    return torch.from_numpy(data.normalised).flatten(1), torch.from_numpy(latent)


def warm_up_geometry(
    model: KineVLAModel,
    data: PolicyData,
    cache: FeatureCache,
    tokenizer: ActionTokenizer,
    config: PolicyTrainConfig,
    minutes: float | None,
) -> tuple[dict[str, float], Tensor | None]:
    """Train `model.observation`'s geometry fusion in place, and start the code readout where there is one.

    Args:
        model: the network, on the device the stage shall run on.
        data: samples.
        cache: features of the frames.
        tokenizer: action tokenizer, for scaling and latents.
        config: settings.
        minutes: time bound, None for none.

    Returns:
        Steps done and mean joint error on seen and held-out frames in milliradians, and which geometry tokens
        make each task's motion: (tasks, G) shares, None where nothing was trained.
    """
    observation = model.observation
    fusion, readout = observation.geometry, observation.geometry_out
    if fusion is None or readout is None or config.warmup.max_steps == 0:
        return {"steps": 0.0}, None
    settings = config.warmup
    device = model.state_scale.device
    # Mapped from files like all that has a row per frame; only the rows of a batch are copied.
    keypoints = torch.from_numpy(np.asarray(cache.keypoints))
    points = torch.from_numpy(np.asarray(cache.points))
    states = torch.from_numpy(data.states)
    task = torch.from_numpy(data.task)
    motion, latent = _targets(data, tokenizer, config.out.parent)
    centre, scale = latent.mean(0), latent.std().clamp_min(1e-6) if latent.numel() else torch.ones(())
    outputs = motion.shape[1] + latent.shape[1]
    head = MotionHead(observation.geometry_tokens, config.decoder.hidden_size, len(data.tasks), outputs)
    head.to(device)
    parameters = [
        *fusion.parameters(),
        *readout.parameters(),
        *head.parameters(),
    ]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed + 17)
    train = torch.from_numpy(data.train)

    def target(rows: Tensor) -> Tensor:
        return torch.cat([motion[rows], (latent[rows] - centre) / scale], dim=-1).to(device)

    def predict(rows: Tensor, noise: bool) -> Tensor:
        seen, space = keypoints[rows], points[rows]
        if noise:
            seen = noisy(seen, config.keypoint_noise, generator, 2)
            space = noisy(space, config.point_noise_m, generator, 3)
        state = states[rows].to(device)
        fused = fusion(seen.to(device), space.to(device), state, model.normalise_state(state))
        return head(observation.geometry_slots(fused), task[rows].to(device))

    begin, step = time.monotonic(), 0
    while step < settings.max_steps:
        used = step / settings.max_steps
        if minutes is not None:
            used = max(used, (time.monotonic() - begin) / (60.0 * minutes))
        if used >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * used))
        rows = train[torch.randint(len(train), (settings.batch_size,), generator=generator)]
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            predicted = predict(rows, noise=True)
        loss = F.l1_loss(predicted.float(), target(rows))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        step += 1
        if step % 250 == 0:
            log.info("geometry step %d loss %.4f", step, loss.item())
    unit = torch.from_numpy(tokenizer.normaliser.scale).float().to(device)
    joints = ~torch.tensor(tokenizer.normaliser.keep, device=device)
    result = {"steps": float(step)}
    for name, frames in (("train", data.train), ("val", data.val if len(data.val) else data.train)):
        rows = torch.from_numpy(frames[:: max(1, len(frames) // _REPORTED)])
        with torch.no_grad():
            difference = predict(rows, noise=False) - target(rows)
        error = difference[:, : motion.shape[1]].abs().unflatten(1, (-1, len(unit))) * unit
        result[f"{name}_joint_l1_mrad"] = float(error[..., joints].mean() * 1e3)
    if model.code_readout is not None:
        centre, scale = centre.to(device), scale.to(device)
        # The last loop's rows are the held-out ones: they tell how far the readout can be trusted.
        variance = (difference[:, motion.shape[1] :] * scale).square().sum(-1).mean() / motion.shape[1]
        with torch.no_grad():
            model.code_readout.start(
                head.map.weight[motion.shape[1] :] * scale,
                head.map.bias[motion.shape[1] :] * scale + centre,
                1.0 / variance.clamp_min(1e-9),
            )
    log.info("geometry stage: %s", result)
    return result, head.choice.detach().softmax(-1).cpu()
