"""Goal codes that stand for what all instructions with one goal have in common (ours).

The goal codes come before the kinematics reasoning, so whatever they say about the way of doing a task cannot
depend on that reasoning. Chosen for the demonstrated motion they say nearly all of it, and exchanging the
reasoning changes nothing. Here they are chosen for the mean of the motions that the instructions with the
same goal text would ask for now, as the geometry stage reads them from the frame; the way is left to the
kinematics codes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.backbone.model import KineVLAModel
from kinevla.training.feature_cache import FeatureCache
from kinevla.training.policy_run import PolicyRun

_BATCH = 4096


def same_goal(tasks: tuple[tuple[str, str, str], ...]) -> NDArray[np.bool_]:
    """Return which of the tasks (instruction, coarse, fine) share their goal text: (tasks, tasks)."""
    coarse = np.array([text[1] for text in tasks])
    return np.asarray(coarse[:, None] == coarse[None, :])


def stage_shares(
    shares: Tensor, tasks: tuple[tuple[str, str, str], ...], goal_codes: int, codes: int, shared: bool
) -> Tensor:
    """Return which geometry tokens make the motion each code stands for.

    Args:
        shares: (tasks, G) geometry tokens in each task's motion, from the geometry stage.
        tasks: texts of the tasks.
        goal_codes: number of goal codes.
        codes: number of all codes.
        shared: goal codes stand for the mean motion of all tasks with the same goal.

    Returns:
        (tasks, codes, G).
    """
    own = shares.unsqueeze(1).expand(-1, codes, -1).clone()
    if shared:
        group = torch.from_numpy(same_goal(tasks)).to(shares)
        own[:, :goal_codes] = (group @ shares / group.sum(1, keepdim=True)).unsqueeze(1)
    return own


@torch.no_grad()
def shared_latents(
    model: KineVLAModel,
    cache: FeatureCache,
    states: NDArray[np.float32],
    task: NDArray[np.int64],
    mean: Tensor,
) -> Tensor:
    """Return the latent (N, d) of the motion that the instructions with the goal of each frame share.

    Args:
        model: the network after its geometry stage, with a code readout.
        cache: features of the N frames.
        states: (N, D) measured.
        task: (N,) task of each frame.
        mean: (tasks, G) geometry tokens of each task's shared motion.
    """
    observation, readout = model.observation, model.code_readout
    assert observation.geometry is not None and readout is not None
    device = readout.motion.weight.device
    parts = []
    for start in range(0, len(states), _BATCH):
        rows = slice(start, start + _BATCH)
        keypoints = torch.from_numpy(np.array(cache.keypoints[rows])).to(device)
        points = torch.from_numpy(np.array(cache.points[rows])).to(device)
        state = torch.from_numpy(states[rows]).to(device)
        fused = observation.geometry(keypoints, points, state, model.normalise_state(state))
        motions = readout.motions(observation.geometry_slots(fused).float())
        weights = mean[torch.from_numpy(task[rows]).to(device)].to(motions)
        parts.append(torch.einsum("bg,bgd->bd", weights, motions).cpu())
    return torch.cat(parts)


def share_goals(run: PolicyRun, shares: Tensor) -> Tensor:
    """Let the goal codes of a run stand for what tasks with the same goal have in common.

    Args:
        run: after its geometry stage, with a code readout; the codes of its data become those with shared
            goals.
        shares: (tasks, codes, G) from `stage_shares`.

    Returns:
        (N, d) latents of the shared motion, for `CodeNoise.draw`.
    """
    assert run.cache is not None
    assert run.code_noise is not None and run.latents is not None  # with a readout there are both
    coarse = shared_latents(run.model, run.cache, run.data.states, run.data.task, shares[:, 0])
    _, codes = run.code_noise.draw(run.latents, 0.0, torch.Generator(), coarse)
    run.data = replace(run.data, codes=codes.numpy())
    return coarse
