"""A policy that remembers: what came before changes what it does, and training shows it the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kinevla.backbone.config import ModelConfig, SightConfig
from kinevla.backbone.look_back import LookBack
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg
from kinevla.policy import KineVLAPolicy, Observation
from kinevla.training.policy_run import PolicyRun, prepare_run
from kinevla.training.stages.policy import train_policy

from .conftest import tiny_run

MOMENTS = 2


@pytest.fixture(scope="module")
def run(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicyRun:
    config = tiny_run(workplace, tmp_path_factory.mktemp("remembering"), max_steps=2)
    config = replace(config, sight=replace(config.sight, moments=MOMENTS))
    train_policy(config)
    return prepare_run(config)


@pytest.fixture(scope="module")
def policy(run: PolicyRun) -> KineVLAPolicy:
    return KineVLAPolicy.load(run.config.out / "best")


def test_what_a_policy_remembers_is_what_training_showed_it(run: PolicyRun, policy: KineVLAPolicy) -> None:
    episode = EpisodeReader(run.config.data).read(0)
    plan = None
    for frame in range(0, len(episode), run.tokenizer.horizon):
        front, wrist = (decode_jpeg(jpegs[frame]) for jpegs in (episode.front_jpeg, episode.wrist_jpeg))
        seen = Observation(front, wrist, episode.state[frame])
        live = policy.inputs(seen, *(() if plan is None else (plan.past,)))[2]
        torch.testing.assert_close(live, run.past(np.array([frame])), rtol=0, atol=0, equal_nan=True)
        plan = policy.plan(seen, episode.instruction, plan)
    assert plan is not None and len(plan.past) == MOMENTS


def test_nothing_is_remembered_of_another_episode(run: PolicyRun) -> None:
    second = EpisodeReader(run.config.data).entries[0].frames
    past = run.data.past(np.array([second, second + 3]), np.array([1, 2]), MOMENTS)
    assert np.isnan(past[0]).all()
    np.testing.assert_array_equal(past[1, 0], run.data.states[second + 1])
    assert np.isnan(past[1, 1:]).all()


def test_the_motion_depends_on_what_came_before(policy: KineVLAPolicy) -> None:
    rng = np.random.default_rng(0)
    front, wrist = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    first, second = (Observation(front, wrist, rng.normal(0.0, 0.3, 8)) for _ in range(2))
    model = policy.parts.model
    words = torch.tensor([policy.parts.builder.text("move the bread")])
    with torch.inference_mode():
        motions = [
            model.read(words, policy.look(*policy.inputs(first, past)), 1).motion
            for past in (np.zeros((0, 0)), second.state[None])
        ]
    assert not torch.equal(*motions)


def test_a_network_that_could_not_look_back_is_refused() -> None:
    with pytest.raises(ValueError, match="moments = 4: only a readout looks back"):
        ModelConfig(vision=SightConfig(moments=4))


def test_the_model_card_says_what_is_remembered(run: PolicyRun) -> None:
    card = " ".join((run.config.out / "best" / "README.md").read_text().split())
    assert f"remembers the robot's states at its last {MOMENTS} plans" in card


def test_a_hand_can_find_the_place_where_it_closed() -> None:
    torch.manual_seed(0)
    look_back = LookBack(3)  # x, y, opening
    head = nn.Linear(look_back.width + 3, 2)
    optimiser = torch.optim.Adam([*look_back.parameters(), *head.parameters()], 3e-3)

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        place = torch.rand(size, 8, 2) * 2 - 1
        closed_at = torch.randint(1, 7, (size, 1))
        opening = (torch.arange(8) >= closed_at).float()  # the latest first: open in the far past
        states = torch.cat([place, opening.unsqueeze(-1)], dim=-1)
        now = torch.cat([torch.rand(size, 2) * 2 - 1, torch.zeros(size, 1)], dim=-1)
        carried = now[:, :2] - place[torch.arange(size), closed_at[:, 0]]
        return states, now, carried

    for _ in range(600):
        states, now, carried = batch(128)
        found = look_back(states, torch.ones(states.shape[:2], dtype=torch.bool), now)
        loss = (head(torch.cat([found, now], dim=-1)) - carried).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.05  # 0.67 with a constant
