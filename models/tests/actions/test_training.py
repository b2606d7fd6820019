from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.training.course import Budget
from kinevla.training.stages.tokenizer import TokenizerStage, train_tokenizer
from kinevla.training.state import STATE_NAME, ResumeError
from kinevla.training.tokenizer_config import TokenizerTrainingConfig

CONFIG = TokenizerTrainingConfig(
    network=RvqVaeConfig(latent=8, hidden=16, blocks=1, codebook_size=8),
    stage1_steps=12,
    stage2_steps=12,
    warmup_steps=4,
    batch=32,
    start_batch=64,
)


def chunks() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 5, 8))


def stop_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Let the time be up after so many steps."""
    done, whole_step = [], TokenizerStage.step

    def counted(self: TokenizerStage, number: int, rate: float) -> Mapping[str, torch.Tensor]:
        done.append(number)
        return whole_step(self, number, rate)

    patch.setattr(TokenizerStage, "step", counted)
    patch.setattr(Budget, "time_up", property(lambda self: len(done) >= steps))


def state_after(stage1: int, stage2: int, encoder_share: float) -> dict[str, torch.Tensor]:
    """Weights of a run that stops after so many steps of each stage."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, stage1 + stage2)
        network = train_tokenizer(
            chunks(), chunks(), replace(CONFIG, encoder_share=encoder_share), progress=False
        ).network
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Names of the parts of the network that differ."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(("share", "encoder"), [(0.0, set()), (0.5, {"encoder"})])
def test_stage_one_trains_decoder_and_goal_stack_only(share, encoder):
    begun, done = state_after(1, 0, share), state_after(12, 0, share)
    assert changed(begun, done) == {"decoder", "goal_stack"} | encoder


@pytest.mark.parametrize(("share", "encoder"), [(0.0, set()), (0.5, {"encoder"})])
def test_stage_two_trains_decoder_and_kinematics_stack_and_leaves_every_goal_bit(share, encoder):
    begun, done = state_after(12, 0, share), state_after(12, 12, share)
    assert changed(begun, done) == {"decoder", "kinematics_stack"} | encoder
    goal = [name for name in begun if name.startswith("goal_stack")]
    assert len(goal) > 4
    assert all(torch.equal(begun[name], done[name]) for name in goal)


def test_gradients_of_stage_two_stop_at_the_goal_stack():
    network = RvqVae(CONFIG.network)
    data = torch.from_numpy(chunks()).float()
    network.train()
    network(data, kinematics=False)  # k-means start
    network.freeze_goal()
    network.train()
    network(data)
    output, quantised = network(data)
    ((output - data).abs().mean() + quantised.commitment).backward()
    reached = {
        name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert reached == {"encoder", "decoder"}  # codebooks learn by moving averages, not by gradients
    assert not any(p.requires_grad for p in network.goal_stack.parameters())


def test_stage_two_starts_from_the_decoder_of_stage_one():
    begun, one_step = state_after(12, 0, 0.0), state_after(12, 1, 0.0)
    weight = "decoder.linear.weight"
    assert (begun[weight] - one_step[weight]).abs().max() < 3e-3  # one step of AdamW at 1e-3
    assert not torch.equal(state_after(1, 0, 0.0)[weight], begun[weight])


@pytest.mark.parametrize("steps", [3, 12, 17])
def test_run_that_was_stopped_and_continued_equals_one_that_never_stopped(tmp_path, monkeypatch, steps):
    whole = train_tokenizer(chunks(), chunks(), CONFIG, progress=False)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        stopped = train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)
    assert not stopped.complete
    torch.rand(5)  # whatever else draws random numbers in between must not matter
    continued = train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)
    assert continued.complete
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, continued.network.state_dict()[name]), name


def test_training_leaves_the_random_state_of_its_caller_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train_tokenizer(chunks(), chunks(), CONFIG, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_checkpoint_of_another_run_is_refused(tmp_path):
    train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)
    with pytest.raises(ResumeError, match="holds a run with seed = 0, asked for 1"):
        train_tokenizer(chunks(), chunks(), replace(CONFIG, seed=1), directory=tmp_path, progress=False)
    with pytest.raises(ResumeError, match="holds a run with coarse_chunks = "):
        train_tokenizer(2 * chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)


def test_damaged_checkpoint_is_named(tmp_path):
    train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)
    path = tmp_path / STATE_NAME
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResumeError, match=r"trainer\.pt is damaged"):
        train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)


def test_metrics_are_written_as_a_table(tmp_path):
    train_tokenizer(chunks(), chunks(), CONFIG, directory=tmp_path, progress=False)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert [row["stage"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0.0 for row in rows)


def test_chunks_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 5, 8\)"):
        train_tokenizer(np.zeros((200, 4, 8)), chunks(), CONFIG, progress=False)


def test_kinematics_codes_that_met_foreign_goals_make_up_for_them_better() -> None:
    def left(share: float) -> float:
        trained = train_tokenizer(
            chunks(), chunks(), replace(CONFIG, foreign_goal_share=share), progress=False
        )
        network = trained.network.eval()
        latents = network.encode_latent(torch.from_numpy(trained.normaliser.normalise(chunks())).float())
        codes = network.quantise(latents, foreign=len(latents)).codes
        own = network.quantise(latents).codes
        assert torch.equal(codes[:, :2], own[:, :2].roll(1, 0))
        return float((latents - network.latent_of_codes(codes)).norm(dim=1).mean())

    assert left(0.5) < 0.95 * left(0.0)
