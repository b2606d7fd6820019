"""Trains the estimate of points in space on what the finished towers really see, errors included."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kinevla.backbone.geometry import PointLifter
from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.vision.config import LiftConfig
from kinevla.vision.losses import point_loss
from kinevla.vision.samples import KeypointSamples

READ_SHARE = 0.6
_READ_BATCH = 64


@dataclass(frozen=True)
class SeenKeypoints:
    """What the towers see in N observations: keypoints (N, C, 2, K, 3), state (N, D), points (N, K, 3)."""

    keypoints: Tensor
    state: Tensor
    points_m: Tensor


@torch.inference_mode()
def read_keypoints(
    backbone: VisionBackbone,
    sources: list[KeypointSamples],
    config: LiftConfig,
    minutes: float | None,
    seed: int,
) -> SeenKeypoints:
    """Pass observations whose points in space are known through the towers, as many as time allows.

    The sources are mixed, so that a short budget sees some of each.
    """
    deadline_s = None if minutes is None else time.monotonic() + minutes * 60.0 * READ_SHARE
    order = [(source, int(i)) for source, part in enumerate(sources) for i in _labelled(part)]
    np.random.default_rng([seed, 1]).shuffle(order)
    order = order[: config.max_observations]
    device = next(backbone.parameters()).device
    keypoints: list[Tensor] = []
    state: list[Tensor] = []
    points: list[Tensor] = []
    for start in range(0, len(order), _READ_BATCH):
        if deadline_s is not None and time.monotonic() > deadline_s and keypoints:
            break
        chosen = order[start : start + _READ_BATCH]
        batch = KeypointSamples.concatenate([sources[source].take(np.array([i])) for source, i in chosen])
        images, states = batch.images(np.arange(len(batch))), torch.from_numpy(batch.state)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            features = backbone(images.to(device), states.to(device))
        keypoints.append(features.keypoints.float().cpu())
        state.append(torch.from_numpy(batch.state))
        points.append(torch.from_numpy(batch.points_m))
    if not keypoints:
        empty = len(backbone.config.keypoints)
        return SeenKeypoints(torch.zeros(0, 2, 2, empty, 3), torch.zeros(0, 1), torch.zeros(0, empty, 3))
    return SeenKeypoints(torch.cat(keypoints).clone(), torch.cat(state), torch.cat(points))


def _labelled(samples: KeypointSamples) -> np.ndarray:
    return np.flatnonzero(np.isfinite(samples.points_m).all(-1).any(-1))


def train_lifter(
    lifter: PointLifter, seen: SeenKeypoints, config: LiftConfig, seconds: float | None, seed: int
) -> int:
    """Fit the lifter until time or steps are used up; returns the steps done (0 without labels)."""
    if len(seen.state) == 0:
        return 0
    generator = torch.Generator().manual_seed(seed + 1)
    optimiser = torch.optim.AdamW(lifter.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    lifter.train()
    begin = time.monotonic()
    step = 0
    while step < config.max_steps:
        used = step / config.max_steps
        if seconds is not None:
            used = max(used, (time.monotonic() - begin) / max(seconds, 1.0))
        if used >= 1.0 and step > 0:
            break
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (
                0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(used, 1.0)))
            )
        index = torch.randint(len(seen.state), (config.batch_size,), generator=generator)
        keypoints = seen.keypoints[index]
        noise = torch.randn(keypoints[..., :2].shape, generator=generator) * config.keypoint_noise
        keypoints = torch.cat([keypoints[..., :2] + noise, keypoints[..., 2:]], dim=-1)
        loss = point_loss(lifter(keypoints, seen.state[index]), seen.points_m[index])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
        optimiser.step()
        step += 1
    lifter.eval()
    return step
