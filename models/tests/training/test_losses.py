from __future__ import annotations

import math

import pytest
import torch

from kinevla.training.losses import coupling_loss, pooled, token_cross_entropy


def test_coupling_of_matching_pairs_is_lower_than_of_shuffled_ones() -> None:
    torch.manual_seed(0)
    text = torch.randn(6, 8)
    group = torch.arange(6)
    assert coupling_loss(text, text, group, 0.07) < 0.1 < coupling_loss(text, text.roll(1, 0), group, 0.07)


def test_coupling_equals_the_papers_formula_when_all_texts_differ() -> None:
    torch.manual_seed(1)
    text, action = torch.randn(4, 5), torch.randn(4, 5)
    s = torch.nn.functional.normalize(text, dim=-1) @ torch.nn.functional.normalize(action, dim=-1).T / 0.5
    rows = [math.log(math.exp(s[i, i]) / sum(math.exp(s[i, j]) for j in range(4))) for i in range(4)]
    columns = [math.log(math.exp(s[i, i]) / sum(math.exp(s[j, i]) for j in range(4))) for i in range(4)]
    expected = -(sum(rows) + sum(columns)) / 8
    assert float(coupling_loss(text, action, torch.arange(4), 0.5)) == pytest.approx(expected, rel=1e-5)


def test_samples_with_the_same_reasoning_do_not_repel_each_other() -> None:
    torch.manual_seed(2)
    text, action = torch.randn(4, 5), torch.randn(4, 5)
    assert float(coupling_loss(text, action, torch.zeros(4, dtype=torch.long), 0.07)) == pytest.approx(
        0.0, abs=1e-6
    )


def test_a_divisor_replaces_the_number_of_positions() -> None:
    torch.manual_seed(3)
    logits, targets = torch.randn(6, 9), torch.arange(6)
    mean = token_cross_entropy(logits, targets)
    parts = (
        token_cross_entropy(logits[:2], targets[:2], 3.0),
        token_cross_entropy(logits[2:], targets[2:], 3.0),
    )
    assert float(sum(parts) / 2) == pytest.approx(float(mean), rel=1e-6)


def test_no_positions_give_zero_loss_and_no_nan() -> None:
    logits = torch.zeros(0, 7, requires_grad=True)
    assert float(token_cross_entropy(logits, torch.zeros(0, dtype=torch.long))) == 0.0


def test_pooling_counts_only_the_span() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert float(pooled(hidden, torch.tensor([[True, True, False]]))) == 2.0
