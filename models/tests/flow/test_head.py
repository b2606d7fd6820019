from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from kinevla.actions.bins import BinTokenizer
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.backbone.config import FlowConfig, ModelConfig
from kinevla.data.chunks import ChunkConfig
from kinevla.flow.expert import AdaptiveRMSNorm, time_embedding
from kinevla.flow.head import FlowHead

SMALL = FlowConfig(width=32, layers=2, heads=2, intermediate_size=64)


def stir(head: FlowHead) -> FlowHead:
    """Give every parameter a random value: gates that are still zero would hide what a block does."""
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return head.eval()


@pytest.mark.parametrize(("horizon", "dimensions"), [(5, 8), (1, 7), (10, 6), (50, 14)])
def test_chunks_of_any_shape_come_out(horizon: int, dimensions: int) -> None:
    head = FlowHead(dataclasses.replace(SMALL, horizon=horizon, dimensions=dimensions), hidden_size=24)
    hidden, mask = torch.randn(3, 11, 24), torch.ones(3, 11, dtype=torch.bool)
    chunk = head.sample(hidden, mask)
    assert chunk.shape == (3, horizon, dimensions) and bool(chunk.isfinite().all())
    loss = head.loss(hidden, mask, torch.zeros(3, horizon, dimensions))
    assert loss.shape == () and bool(loss.isfinite())


def test_a_chunk_of_another_shape_is_refused() -> None:
    head = FlowHead(SMALL, hidden_size=24)
    with pytest.raises(ValueError, match=r"\(5, 8\), got \(4, 8\)"):
        head.loss(torch.randn(2, 3, 24), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 4, 8))


def test_padding_is_not_read_and_the_prefix_is() -> None:
    torch.manual_seed(0)
    head = stir(FlowHead(SMALL, hidden_size=24))
    hidden, mask = torch.randn(1, 6, 24), torch.ones(1, 6, dtype=torch.bool)
    padded = torch.cat([hidden, torch.randn(1, 3, 24)], dim=1)
    mask_padded = torch.cat([mask, torch.zeros(1, 3, dtype=torch.bool)], dim=1)
    chunk = head.sample(hidden, mask)
    torch.testing.assert_close(head.sample(padded, mask_padded), chunk, atol=1e-4, rtol=1e-4)
    changed = hidden.clone()
    changed[0, 2] += 1.0
    assert float((head.sample(changed, mask) - chunk).abs().max()) > 1e-3


def test_frames_of_a_chunk_see_each_other_in_both_directions() -> None:
    torch.manual_seed(0)
    head = stir(FlowHead(SMALL, hidden_size=24))
    prefix = head.expert.read(torch.randn(1, 4, 24))
    mask = torch.ones(1, 4, dtype=torch.bool)
    point = torch.randn(1, 5, 8, requires_grad=True)
    velocity = head.expert(point, torch.tensor([0.5]), prefix, mask)
    for frame, other in ((0, 4), (4, 0)):
        (gradient,) = torch.autograd.grad(velocity[0, frame].sum(), point, retain_graph=True)
        assert float(gradient[0, other].abs().max()) > 0.0


def test_the_velocity_depends_on_time() -> None:
    torch.manual_seed(0)
    head = stir(FlowHead(SMALL, hidden_size=24))
    prefix, mask = head.expert.read(torch.randn(1, 4, 24)), torch.ones(1, 4, dtype=torch.bool)
    point = torch.randn(1, 5, 8)
    early, late = (head.expert(point, torch.tensor([t]), prefix, mask) for t in (0.9, 0.1))
    assert float((early - late).abs().max()) > 1e-3


def test_a_fresh_adaptive_norm_is_plain_and_closes_its_gate() -> None:
    x = torch.randn(2, 3, 16) * 7.0
    normal, gate = AdaptiveRMSNorm(16)(x, torch.randn(2, 16))
    torch.testing.assert_close(normal.square().mean(-1), torch.ones(2, 3), atol=1e-4, rtol=1e-4)
    assert not bool(gate.any())


def test_times_are_embedded_with_periods_from_4_ms_to_4() -> None:
    embedded = time_embedding(torch.tensor([0.0, 1e-3, 1.0]), 64)
    torch.testing.assert_close(embedded[0], torch.cat([torch.zeros(32), torch.ones(32)]))
    assert float(embedded[1, 0]) == pytest.approx(1.0)  # a quarter of the shortest period
    assert float(embedded[2, 31]) == pytest.approx(1.0, abs=1e-4)  # a quarter of the longest


def test_the_same_prefix_gives_the_same_chunk_and_another_seed_another_one() -> None:
    torch.manual_seed(0)
    head = stir(FlowHead(SMALL, hidden_size=24))
    hidden, mask = torch.randn(2, 4, 24), torch.ones(2, 4, dtype=torch.bool)
    torch.testing.assert_close(head.sample(hidden, mask), head.sample(hidden, mask), atol=0.0, rtol=0.0)
    torch.testing.assert_close(head.noise(2)[0], head.noise(2)[1], atol=0.0, rtol=0.0)
    other = FlowHead(dataclasses.replace(SMALL, seed=1), hidden_size=24)
    assert not torch.equal(other.noise(1), head.noise(1))


def test_the_head_learns_a_distribution_of_two_modes_given_a_condition() -> None:
    # Condition A: all numbers +1 or all -1, with equal chance; condition B: all 0.5. Regression would answer
    # A with 0.
    torch.manual_seed(0)
    config = FlowConfig(horizon=2, dimensions=3, width=64, layers=2, heads=2, intermediate_size=128, steps=20)
    head = FlowHead(config, hidden_size=8)
    conditions = torch.randn(2, 1, 8)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(192, 1, dtype=torch.bool)
    for step in range(300):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1.0 - step / 300)
        which = torch.randint(0, 2, (192,), generator=generator)
        sign = 2.0 * torch.randint(0, 2, (192,), generator=generator) - 1.0
        value = torch.where(which == 0, sign, torch.full_like(sign, 0.5))
        actions = value[:, None, None].expand(-1, 2, 3)
        loss = head.loss(conditions[which], mask, actions, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    noise = torch.randn(192, 2, 3, generator=generator)
    both, one = (head.sample(c.expand(192, -1, -1), mask, noise) for c in conditions)
    assert float((both.abs() - 1.0).abs().median()) < 0.1
    positive = float((both.mean((1, 2)) > 0).float().mean())
    assert 0.3 < positive < 0.7
    assert (
        float(((both > 0).float().mean((1, 2)) - 0.5).abs().median()) == 0.5
    )  # all numbers of a chunk agree
    assert float((one - 0.5).abs().mean()) < 0.1


def test_sizes_that_make_no_head_are_refused() -> None:
    with pytest.raises(ValueError, match=r"multiple of 3 heads, got 32"):
        FlowConfig(width=32, heads=3)
    with pytest.raises(ValueError, match=r"flow\.steps must be at least 1, got 0"):
        FlowConfig(steps=0)
    with pytest.raises(ValueError, match="action_head"):
        ModelConfig(action_head="flow")
    with pytest.raises(ValueError, match="action_head"):
        ModelConfig(flow=SMALL)


def test_a_model_configuration_with_a_flow_head_survives_json() -> None:
    config = ModelConfig(action_head="flow", flow=SMALL)
    assert ModelConfig.from_dict(config.to_dict()) == config
    old = ModelConfig().to_dict()
    del old["action_head"], old["flow"]
    assert ModelConfig.from_dict(old) == ModelConfig()


def test_normalised_chunks_become_absolute_targets() -> None:
    normaliser = ActionNormaliser((-0.2, 0.0), (0.4, 1.0), (False, True))
    tokenizer = BinTokenizer(normaliser, ChunkConfig(horizon=2), period_s=0.1)
    chunk = np.array([[[1.0, 1.2], [0.0, 0.3]]])
    chunks = tokenizer.normaliser.denormalise(chunk)
    targets = tokenizer.absolute_targets(chunks, np.array([[2.0, 0.5]]))
    np.testing.assert_allclose(targets, [[[2.4, 1.0], [2.1, 0.3]]])
