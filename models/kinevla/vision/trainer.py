"""Training of the towers on keypoints, bounded in time and resumable, then of the points in space."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.training.ahead import computed_ahead
from kinevla.training.course import Budget, Schedule
from kinevla.training.distributed import DeviceError
from kinevla.training.engine import set_threads
from kinevla.training.metrics import MetricsLog
from kinevla.training.state import load_state, save_state
from kinevla.vision.augment import augment
from kinevla.vision.checkpoint import make_vision, save_vision
from kinevla.vision.config import VisionTrainConfig
from kinevla.vision.evaluation import evaluate_keypoints, evaluate_points
from kinevla.vision.lifting import read_keypoints, train_lifter
from kinevla.vision.losses import keypoint_loss
from kinevla.vision.samples import KeypointSamples, read_demonstration_samples, read_view_samples

log = logging.getLogger(__name__)
_COLUMNS = ("step", "elapsed_s", "learning_rate", "loss", "heatmap", "position_px", "visible", "images_per_s")


@dataclass(frozen=True)
class VisionData:
    """Training samples from both sources and held-out views."""

    views: KeypointSamples
    demonstrations: KeypointSamples | None
    held_out: KeypointSamples


def load_data(config: VisionTrainConfig) -> VisionData:
    """Read views and demonstrations; the last views are held out."""
    views = KeypointSamples.concatenate(read_view_samples(config.views, config.model.vision))
    held = min(config.val_samples, max(1, len(views) // 5))
    index = np.arange(len(views))
    demonstrations = None
    if config.demonstrations is not None:
        parts = read_demonstration_samples(
            config.demonstrations, config.demonstration_stride, config.model.vision
        )
        demonstrations = KeypointSamples.concatenate(parts) if parts else None
    return VisionData(views.take(index[:-held]), demonstrations, views.take(index[-held:]))


def training_batch(
    data: VisionData, config: VisionTrainConfig, step: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images (2B, 3, S, S), camera (2B,), points (2B, K, 2) in -1..1 and visible (2B, K) of a step.

    Which samples a step sees depends on seed and step only, so a continued run sees what it would have seen.
    """
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    rng = np.random.default_rng([config.seed, step])
    from_demonstrations = 0
    if data.demonstrations is not None:
        from_demonstrations = round(config.batch_size * config.demonstration_share)
    batches = [data.views.take(rng.integers(len(data.views), size=config.batch_size - from_demonstrations))]
    if data.demonstrations is not None and from_demonstrations:
        batches.append(
            data.demonstrations.take(rng.integers(len(data.demonstrations), size=from_demonstrations))
        )
    batch = KeypointSamples.concatenate(batches)
    images = batch.images(np.arange(len(batch))).flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0
    size = config.model.vision.image_size
    points = (torch.from_numpy(batch.keypoints_px).flatten(0, 1) + 0.5) / size * 2 - 1
    visible = torch.from_numpy(batch.visible).flatten(0, 1)
    images, points, inside = augment(images, points, config.augment, generator)
    camera = torch.arange(2).repeat(len(batch))
    return images, camera, points, visible & inside


def _batches(
    data: VisionData, config: VisionTrainConfig, first: int
) -> Generator[tuple[Tensor, ...], None, None]:
    """Yield the batches of step `first` and all after it on the device, prepared ahead."""
    device = torch.device(config.device)
    prepared = computed_ahead(lambda step: training_batch(data, config, step), count(first), config.workers)
    for batch in prepared:
        yield tuple(part.to(device, non_blocking=True) for part in batch)


def train_vision(config: VisionTrainConfig) -> dict[str, Any]:
    """Train towers and lifter and write the result to `config.out`.

    Returns:
        The report that is stored with the weights: pixel errors, millimetres, cost.

    Raises:
        ResumeError: `out` holds a run with other settings.
        DataError: damaged data.
        DeviceError: no GPU where one is asked for.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device is cuda, but this machine has no usable CUDA device")
    set_threads(config.threads)
    torch.manual_seed(config.seed)
    data = load_data(config)
    backbone = make_vision(config.model).to(config.device)
    tower_minutes = None if config.max_minutes is None else config.max_minutes * (1.0 - config.lift_share)
    budget = _train_towers(backbone, data, config, tower_minutes)
    backbone.eval()
    started_s = time.monotonic()
    train = [part for part in (data.views, data.demonstrations) if part is not None]
    lift_minutes = None if config.max_minutes is None else config.max_minutes * config.lift_share
    keypoints = read_keypoints(backbone, train, config.lift, lift_minutes, config.seed)
    remaining_s = None if lift_minutes is None else lift_minutes * 60.0 - (time.monotonic() - started_s)
    if backbone.lifter is None:
        raise ValueError("the vision configuration has no lifter to train")
    backbone.cpu()  # What is left is small: a perceptron and a look at the held-out views.
    train_lifter(backbone.lifter, keypoints, config.lift, remaining_s, config.seed)
    report: dict[str, Any] = {
        "keypoints": evaluate_keypoints(backbone, data.held_out),
        "points": evaluate_points(backbone, data.held_out),
        "steps": budget.step,
        "observations_seen": budget.step * config.batch_size,
        "minutes": (budget.used_s + 0.0) / 60.0,
        "threads": config.threads,
        "views": len(data.views),
        "demonstration_frames": len(data.demonstrations) if data.demonstrations is not None else 0,
    }
    inputs = {"views": config.views}
    if config.demonstrations is not None:
        inputs["data"] = config.demonstrations
    save_vision(config.out, backbone, config.model, config, report, inputs)
    return report


def _train_towers(
    backbone: VisionBackbone, data: VisionData, config: VisionTrainConfig, max_minutes: float | None
) -> Budget:
    """Run tower steps until the budget is used, continuing a stored run."""
    parameters = [p for tower in (backbone.featurizer, backbone.fused_featurizer) for p in tower.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    state = load_state(config.out, config.identity())
    budget = Budget(max_minutes, config.max_steps)
    schedule = Schedule(config.learning_rate, "cosine", config.warmup_steps, final=0.01)
    if state is not None:
        backbone.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        budget.step, budget.before_s = state["step"], state["used_s"]
    metrics = MetricsLog(config.out / "metrics.csv", _COLUMNS, budget.step)
    batches = _batches(data, config, budget.step)
    backbone.train()
    sums, since, mark = torch.zeros(4, device=config.device), 0, time.monotonic()
    while not budget.finished:
        rate = schedule.rate(budget.step, budget.progress)
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, camera, points, visible = next(batches)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=config.bf16):
            outputs = backbone.towers(images, camera)
        losses = [keypoint_loss(output, points, visible) for output in outputs]
        optimiser.zero_grad(set_to_none=True)
        torch.stack([loss.total for loss in losses]).sum().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        budget.step += 1
        sums += torch.stack([part.detach().float() for part in losses[0]])
        since += 1
        if budget.step % config.log_every == 0 or budget.finished:
            total, heatmap, position, seen = (sums / since).tolist()
            speed = since * len(images) / (time.monotonic() - mark)
            metrics.add(
                step=budget.step, elapsed_s=budget.used_s, learning_rate=rate, loss=total, heatmap=heatmap,
                position_px=position * config.model.vision.image_size / 2, visible=seen, images_per_s=speed,
            )  # fmt: skip
            log.info("towers step %d loss %.3f position %.2f px", budget.step, total, position * 64)
            sums, since, mark = torch.zeros_like(sums), 0, time.monotonic()
        if budget.step % config.save_every == 0 or budget.finished:
            save_state(
                config.out,
                {
                    "identity": config.identity(),
                    "model": {name: value.cpu() for name, value in backbone.state_dict().items()},
                    "step": budget.step,
                    "optimiser": optimiser.state_dict(),
                    "used_s": budget.used_s,
                },
            )
    batches.close()
    return budget
