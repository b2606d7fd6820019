"""The running mean of the weights, which is what is validated and exported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from kinevla.backbone.lora import trainable_parameters
from kinevla.checkpoint import load_checkpoint
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import STATE_NAME
from kinevla.training.weight_average import WeightAverage

from .conftest import started, tiny_run


def weights(*values: float) -> dict[str, nn.Parameter]:
    return {"w": nn.Parameter(torch.tensor(values))}


def test_the_mean_follows_steady_weights_and_smooths_unsteady_ones() -> None:
    parameters = weights(0.0, 0.0)
    average = WeightAverage(parameters, decay=0.9)
    for step in range(400):
        parameters["w"].data = torch.tensor([3.0, 3.0 + (-1.0) ** step])
        average.update(step)
    mean = average.state()["w"]
    assert float(mean[0]) == pytest.approx(3.0, abs=1e-5)
    assert 0.0 < abs(float(mean[1]) - 3.0) < 0.1


def test_each_step_keeps_the_decay_of_the_mean_and_less_of_it_at_first() -> None:
    parameters, mean = weights(1.0), 1.0
    average = WeightAverage(parameters, decay=0.5)
    for step in range(20):
        parameters["w"].data = torch.tensor([float(step)])
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * step
    assert float(average.state()["w"]) == pytest.approx(mean, rel=1e-5)


def test_the_mean_takes_the_place_of_the_weights_for_a_while_even_if_that_fails() -> None:
    parameters = weights(1.0)
    average = WeightAverage(parameters, decay=0.9)
    parameters["w"].data = torch.tensor([5.0])
    with pytest.raises(RuntimeError), average.in_place():
        assert parameters["w"].item() == 1.0
        raise RuntimeError
    assert parameters["w"].item() == 5.0


def test_without_decay_the_weights_are_their_own_mean() -> None:
    parameters = weights(1.0)
    average = WeightAverage(parameters, decay=0.0)
    parameters["w"].data = torch.tensor([5.0])
    average.update(0)
    with average.in_place():
        assert parameters["w"].item() == 5.0
    assert average.state() == {}


def test_a_mean_is_taken_up_where_it_was_left() -> None:
    parameters = weights(1.0)
    whole, part = WeightAverage(parameters, 0.9), WeightAverage(parameters, 0.9)
    for step in range(4):
        if step == 2:
            left = part.state()
            part = WeightAverage(parameters, 0.9)
            part.load(left)
        parameters["w"].data = parameters["w"].data + 1.0
        whole.update(step)
        part.update(step)
    assert torch.equal(whole.state()["w"], part.state()["w"])


def test_the_checkpoint_holds_the_mean_and_training_goes_on_with_the_weights(
    workplace: Path, tmp_path: Path
) -> None:
    config = tiny_run(workplace, tmp_path / "run", average_decay=0.9, learning_rate=1e-2)
    train_policy(config)
    content = torch.load(config.out / STATE_NAME, weights_only=True)["content"]
    exported = load_checkpoint(config.out / "last").model.state_dict()
    apart = 0
    for name, mean in content["average"].items():
        torch.testing.assert_close(exported[name].float(), mean, rtol=2e-3, atol=1e-5, msg=name)
        apart += not torch.allclose(mean, content["model"][name], rtol=1e-2, atol=1e-4)
    assert apart > 10
    stage = started(config)
    before = {name: p.detach().clone() for name, p in trainable_parameters(stage.run.model).items()}
    stage.step(0, rate=1e-2)
    stage.validate()
    changed = {name: p.detach().clone() for name, p in trainable_parameters(stage.run.model).items()}
    stage.validate()
    assert any(not torch.equal(before[name], value) for name, value in changed.items())
    for name, value in trainable_parameters(stage.run.model).items():
        assert torch.equal(value, changed[name])
