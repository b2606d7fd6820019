"""Attention sees what it should: padding, other rows and the way of computing change nothing."""

from __future__ import annotations

import pytest
import torch

from kinevla.generation.decoder import CachedDecoder

from .tiny import MODEL, random_model

TOLERANCE = 1e-5


def rows(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length, 32, generator=torch.Generator().manual_seed(length))


def relative(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest difference, in units of the largest value."""
    return float((first - second).abs().max() / second.abs().max())


@torch.inference_mode()
@pytest.mark.parametrize("padding", [1, 7, 30])
def test_padding_on_the_right_never_changes_a_rows_scores(padding: int) -> None:
    model, batch = random_model(0), rows(3, 20)
    alone = model.logits(model.hidden_states(batch))
    for filling in (torch.zeros(3, padding, 32), 100.0 * torch.ones(3, padding, 32)):
        padded = model.logits(model.hidden_states(torch.cat([batch, filling], dim=1)))[:, :20]
        assert relative(padded, alone) < TOLERANCE


@torch.inference_mode()
def test_the_rows_beside_it_never_change_a_rows_scores() -> None:
    model, batch = random_model(1), rows(6, 24)
    together = model.logits(model.hidden_states(batch))
    for index in range(6):
        alone = model.logits(model.hidden_states(batch[index : index + 1]))[0]
        assert relative(together[index], alone) < TOLERANCE
    order = [4, 0, 5, 2, 1, 3]
    assert relative(model.logits(model.hidden_states(batch[order])), together[order]) < TOLERANCE


@torch.inference_mode()
@pytest.mark.parametrize("steps", [(40,), (1,) * 40, (20, 1, 7, 1, 11), (3, 37)])
def test_the_cached_forward_pass_equals_the_whole_one(steps: tuple[int, ...]) -> None:
    model, row = random_model(2), rows(1, 40)[0]
    whole = model.hidden_states(row.unsqueeze(0))[0]
    decoder = CachedDecoder(model)
    parts = [decoder.extend(part) for part in row.split(list(steps))]
    assert relative(torch.cat(parts), whole) < TOLERANCE


@torch.inference_mode()
def test_only_wanted_rows_and_a_sequence_cut_back_give_the_same() -> None:
    model, row = random_model(2), rows(1, 40)[0]
    whole = model.hidden_states(row.unsqueeze(0))[0]
    decoder = CachedDecoder(model)
    decoder.extend(row[:15], wanted=1)
    decoder.extend(torch.randn(12, 32), wanted=12)
    decoder.crop(15)
    assert relative(decoder.extend(row[15:], wanted=4), whole[-4:]) < TOLERANCE
    decoder.reset()
    assert relative(decoder.extend(row, wanted=40), whole) < TOLERANCE


@torch.inference_mode()
def test_a_cache_that_grows_keeps_what_it_holds() -> None:
    model, row = random_model(3), rows(1, 300)[0]
    decoder = CachedDecoder(model)
    grown = torch.cat([decoder.extend(part) for part in row.split(60)])
    assert relative(grown, model.hidden_states(row.unsqueeze(0))[0]) < TOLERANCE


@torch.inference_mode()
def test_weights_that_change_between_sequences_are_used() -> None:
    model, row = random_model(3), rows(1, 10)[0]
    decoder = CachedDecoder(model)
    before = decoder.extend(row)
    model.language_model.model.layers[0].self_attn.q_proj.weight.mul_(0.5)
    decoder.reset()
    after = decoder.extend(row)
    assert relative(after, before) > 1e-3
    assert relative(after, model.hidden_states(row.unsqueeze(0))[0]) < TOLERANCE


@torch.inference_mode()
def test_more_positions_than_the_decoder_has_are_refused() -> None:
    decoder = CachedDecoder(random_model(0))
    limit = MODEL.decoder.max_positions
    decoder.extend(torch.zeros(limit, 32), wanted=1)
    with pytest.raises(ValueError, match=f"{limit + 1} positions exceeds the decoder's {limit}"):
        decoder.extend(torch.zeros(1, 32))
