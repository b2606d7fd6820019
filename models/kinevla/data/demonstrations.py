"""One demonstration: a scripted expert drives an environment, every frame is recorded and judged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.data.episode import CAMERAS, Episode, encode_frames
from kinevla.data.images import stored_image
from kinevla.data.noise import NoiseConfig, disturbance
from kinevla.data.plugins import ENVIRONMENT_ID, EXPERT, load_object, make_environment
from kinevla.observation.images import MODEL_IMAGE_SIZE, ImagePipeline

_NOISE_STREAM = 7


@dataclass(frozen=True)
class DemonstrationConfig:
    """What a demonstration is made with."""

    environment_id: str = ENVIRONMENT_ID  # gymnasium id, "module:namespace/Name-v0"
    # "module:Class"; built with the unwrapped environment, planned once, then sampled by time
    expert: str = EXPERT
    period_s: float = 0.1  # time of one environment step
    image_size: int = MODEL_IMAGE_SIZE  # side of the stored images, pixels
    # steps recorded after the expert's plan has ended, so that the end pose is learned too
    settle_steps: int = 3
    noise: NoiseConfig | None = None  # disturbance, or None for clean demonstrations only
    # how the environment shall vary each scene, by its own name for it; None for not at all
    variation: str | None = None

    @property
    def images(self) -> ImagePipeline:
        """What is done to the camera images."""
        return ImagePipeline(self.image_size)


@dataclass(frozen=True)
class DemonstrationJob:
    """Which demonstration to make."""

    config: DemonstrationConfig
    task: int  # number of the environment's task; 0 where there is an instruction instead
    seed: int  # of the scene
    # what is asked of an environment that takes sentences, None for its task of that number
    instruction: str | None = None


@lru_cache(maxsize=1)
def _environment(environment_id: str) -> Any:
    return make_environment(environment_id)


def record_demonstration(job: DemonstrationJob) -> Episode:
    """Run one demonstration and return it, whether it succeeded or not (see its verdict).

    The environment is reset with the seed and the task or the instruction; `info` must name instruction,
    coarse and fine and, at the end, hold a verdict with `goal_success`, `kinematics_success` and `reasons`.
    """
    config = job.config
    env = _environment(config.environment_id)
    asked: dict[str, Any] = (
        {"task": job.task} if job.instruction is None else {"instruction": job.instruction}
    )
    if config.variation is not None:
        asked["variation"] = config.variation
    observation, info = env.reset(seed=job.seed, options=asked)
    texts: dict[str, Any] = {name: str(info[name]) for name in ("instruction", "coarse", "fine")}
    expert = load_object(config.expert)(env.unwrapped)
    expert.plan()
    steps = math.ceil(expert.duration_s / config.period_s) + config.settle_steps
    reference = np.stack([expert.target((step + 1) * config.period_s) for step in range(steps)]).astype(
        np.float64
    )
    offset = np.zeros_like(reference)
    if config.noise is not None:
        offset = disturbance(reference, config.period_s, config.noise, (job.seed, job.task, _NOISE_STREAM))

    frames: dict[str, list[NDArray[np.uint8]]] = {camera: [] for camera in CAMERAS}
    states: list[NDArray[np.float64]] = []
    for step in range(steps):
        for camera in CAMERAS:
            frames[camera].append(stored_image(observation[camera], config.images))
        states.append(np.array(observation["state"], dtype=np.float64))
        # Success may end the episode for the environment; the way back to rest is worth learning as well.
        observation, _, _, truncated, info = env.step(reference[step] + offset[step])
        if truncated:
            break
    count = len(states)
    verdict = info["verdict"]
    return Episode(
        task=job.task,
        seed=job.seed,
        **texts,
        period_s=config.period_s,
        front_jpeg=encode_frames(frames["front"]),
        wrist_jpeg=encode_frames(frames["wrist"]),
        state=np.stack(states),
        target=reference[:count],
        executed=(reference + offset)[:count],
        noisy=bool(np.any(offset)),
        goal_success=bool(verdict.goal_success),
        kinematics_success=bool(verdict.kinematics_success),
        verdict_text="; ".join(verdict.reasons),
    )
