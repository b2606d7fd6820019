from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from kinevla.flow.matching import flow_loss, integrate, interpolate, sample_times, velocity_target


def test_the_path_runs_from_actions_at_zero_to_noise_at_one() -> None:
    noise, actions = torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    torch.testing.assert_close(interpolate(noise, actions, torch.zeros(3)), actions)
    torch.testing.assert_close(interpolate(noise, actions, torch.ones(3)), noise)


def test_the_velocity_is_the_derivative_of_the_path() -> None:
    noise, actions = torch.randn(2, 4, 3, dtype=torch.double), torch.randn(2, 4, 3, dtype=torch.double)
    time, step = torch.tensor([0.2, 0.7], dtype=torch.double), 1e-6
    slope = (interpolate(noise, actions, time + step) - interpolate(noise, actions, time - step)) / (2 * step)
    torch.testing.assert_close(velocity_target(noise, actions), slope, atol=1e-8, rtol=1e-6)


def test_the_loss_equals_a_computation_number_by_number() -> None:
    rng = np.random.default_rng(0)
    noise, actions, time = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3, 2)), rng.uniform(size=2)

    def field(point: Tensor, at: Tensor) -> Tensor:
        return 0.5 * point + at[:, None, None]

    squares = []
    for b in range(2):
        for t in range(3):
            for d in range(2):
                point = time[b] * noise[b, t, d] + (1 - time[b]) * actions[b, t, d]
                squares.append((0.5 * point + time[b] - (noise[b, t, d] - actions[b, t, d])) ** 2)
    loss = flow_loss(field, *(torch.from_numpy(x).float() for x in (actions, noise, time)))
    assert float(loss) == pytest.approx(sum(squares) / len(squares), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_euler_is_exact_on_the_straight_flow_to_one_chunk(steps: int) -> None:
    # With a single target a the exact field is (x - a) / t: every path is straight, so Euler makes no error.
    target, noise = torch.randn(1, 5, 8), torch.randn(6, 5, 8)

    def field(point: Tensor, time: Tensor) -> Tensor:
        return (point - target) / time[:, None, None]

    torch.testing.assert_close(integrate(field, noise, steps), target.expand(6, -1, -1), atol=1e-5, rtol=1e-5)


def test_euler_converges_to_the_closed_form_of_a_gaussian() -> None:
    # Actions N(m, s^2), noise N(0, 1): E[noise - actions | x_t] is linear in x_t and its flow maps noise n to
    # m + s n.
    mean, deviation = 0.4, 0.2

    def field(point: Tensor, time: Tensor) -> Tensor:
        t = time[:, None, None]
        variance = t**2 + (1 - t) ** 2 * deviation**2
        return (t - (1 - t) * deviation**2) / variance * (point - (1 - t) * mean) - mean

    noise = torch.randn(64, 2, 3, dtype=torch.double)
    exact = mean + deviation * noise
    errors = [float((integrate(field, noise, steps) - exact).abs().max()) for steps in (10, 100, 1000)]
    assert errors[2] < 0.01
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_a_field_is_asked_at_equal_steps_from_one_down() -> None:
    asked = []

    def field(point: Tensor, time: Tensor) -> Tensor:
        asked.append(float(time[0]))
        return torch.zeros_like(point)

    integrate(field, torch.zeros(2, 1, 1), 4)
    assert asked == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_times_follow_the_beta_distribution_of_pi0() -> None:
    times = sample_times(200_000, 1.5, 0.001, torch.Generator().manual_seed(0))
    assert float(times.min()) >= 0.001 and float(times.max()) <= 1.0
    raw = (times - 0.001) / 0.999
    # Beta(1.5, 1): mean 3/5, variance 1.5 / (2.5^2 * 3.5), P(x < 0.5) = 0.5^1.5.
    assert float(raw.mean()) == pytest.approx(0.6, abs=0.003)
    assert float(raw.var()) == pytest.approx(1.5 / (2.5**2 * 3.5), abs=0.002)
    assert float((raw < 0.5).float().mean()) == pytest.approx(math.pow(0.5, 1.5), abs=0.004)
