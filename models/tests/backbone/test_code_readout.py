"""The readout scores the codes nearest to the chosen motion, alike at once and position by position."""

from __future__ import annotations

import pytest
import torch

from kinevla.backbone.code_readout import CodeReadout
from kinevla.backbone.config import GeometryConfig, ModelConfig, ReadoutConfig

_HIDDEN, _SLOTS = 16, 3


@pytest.fixture
def readout() -> CodeReadout:
    torch.manual_seed(0)
    readout = CodeReadout(ReadoutConfig(codes=3, codebook_size=8, latent=5), _HIDDEN, _SLOTS)
    readout.start(torch.randn(5, _HIDDEN), torch.randn(5), torch.tensor(2.0))
    readout.codebooks.copy_(torch.randn(3, 8, 5))
    torch.nn.init.normal_(readout.select.weight)
    return readout


def test_positions_one_by_one_score_as_all_at_once(readout: CodeReadout) -> None:
    hidden, slots = torch.randn(4, 3, _HIDDEN), torch.randn(4, _SLOTS, _HIDDEN)
    codes = torch.randint(8, (4, 3))
    together = readout(hidden, slots, codes[:, :2])
    assert together.shape == (4, 3, 8)
    for stage in range(3):
        alone = readout(hidden[:, stage : stage + 1], slots, codes[:, :stage])
        assert torch.allclose(alone[:, 0], together[:, stage], atol=1e-5)


def test_the_code_nearest_to_what_is_left_of_the_chosen_motion_wins(readout: CodeReadout) -> None:
    torch.nn.init.zeros_(readout.select.weight)
    with torch.no_grad():
        readout.select.bias.copy_(torch.tensor([0.0, 100.0, 0.0]))
    slots = torch.randn(6, _SLOTS, _HIDDEN)
    codes = torch.randint(8, (6, 1))
    left = readout.motions(slots[:, 1]) - readout.codebooks[0][codes[:, 0]]
    scores = readout(torch.zeros(6, 2, _HIDDEN), slots, codes)
    assert torch.equal(scores[:, 1].argmax(-1), torch.cdist(left, readout.codebooks[1]).argmin(-1))
    assert bool((scores.amax(-1) == 0).all())


def test_checkpoints_from_before_the_readout_have_none() -> None:
    values = ModelConfig(readout=ReadoutConfig()).to_dict()
    assert ModelConfig.from_dict(values).readout == ReadoutConfig()
    del values["readout"]
    assert ModelConfig.from_dict(values).readout is None


def test_a_readout_without_geometry_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="geometry tokens"):
        ModelConfig(geometry=GeometryConfig(tokens=0), readout=ReadoutConfig())
