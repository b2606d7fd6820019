"""Where the network looks and what it makes of it: points, asked looks, and the motion that is read."""

from __future__ import annotations

import pytest
import torch

from kinevla.backbone.config import ReadoutConfig, SightConfig
from kinevla.backbone.image_features import CHANNELS
from kinevla.backbone.motion_readout import MotionReadout
from kinevla.backbone.phrases import Phrases
from kinevla.backbone.sight import Sight, look

CONFIG = SightConfig(image_size=64, width=8, points=3, point_width=4, tokens=2, hidden=16)
SIDE, HIDDEN, ROBOT = 8, 12, 36


def maps(count: int = 2) -> tuple[torch.Tensor, ...]:
    """Made-up feature maps at strides 4, 8 and 16."""
    draw = torch.Generator().manual_seed(5)
    sides = (2 * SIDE, SIDE, SIDE // 2)
    return tuple(
        torch.randn(count, 2, side, side, channels, generator=draw)
        for side, channels in zip(sides, CHANNELS, strict=True)
    )


@pytest.fixture
def sight() -> Sight:
    torch.manual_seed(0)
    return Sight(CONFIG)


def readout() -> MotionReadout:
    torch.manual_seed(1)
    return MotionReadout(ReadoutConfig(queries=2, width=16, blocks=2), CONFIG, HIDDEN, ROBOT)


def test_a_look_finds_the_place_and_content_of_the_cell_it_asks_for(sight: Sight) -> None:
    cells = torch.eye(SIDE * SIDE)[None] * 50.0
    content = torch.randn(1, SIDE * SIDE, 4)
    values = torch.cat([sight.grid[None], content], dim=-1)
    wanted = torch.tensor([3, 41])
    found = look(torch.eye(SIDE * SIDE)[wanted][None], cells, values)
    torch.testing.assert_close(found, values[:, wanted])
    # Cell 41 is in row 5, column 1 of 8: its centre is 1.5 and 5.5 eighths from the corner.
    torch.testing.assert_close(found[0, 1, :2], torch.tensor([1.5, 5.5]) / 4 - 1)


def test_a_look_at_nothing_in_particular_finds_the_middle(sight: Sight) -> None:
    values = sight.grid[None]
    found = look(torch.zeros(1, 1, 8), torch.randn(1, SIDE * SIDE, 8), values)
    torch.testing.assert_close(found, torch.zeros(1, 1, 2), atol=1e-6, rtol=0)


def test_a_cell_tells_what_lies_at_its_place_on_all_maps(sight: Sight) -> None:
    base = sight.cells(maps())
    # Pixels 8..15 down, 24..31 across: row 2 or 3 of the finest map, cell (1, 3), coarse cell (0, 1).
    places = ((0, (2, 7), {11}), (1, (1, 3), {11}), (2, (0, 1), {2, 3, 10, 11}))
    for scale, (row, column), expected in places:
        changed = maps()
        changed[scale][0, 1, row, column] += torch.randn(CHANNELS[scale])
        moved = (sight.cells(changed) - base).abs().amax(-1) > 1e-6
        assert {int(cell) for cell in moved[0, 1].nonzero().flatten()} == expected, scale
        assert not moved[0, 0].any() and not moved[1].any()


def test_points_differ_by_camera(sight: Sight) -> None:
    same = tuple(item[:, :1].expand(-1, 2, -1, -1, -1) for item in maps())
    _, _, points = sight(same)
    assert not torch.allclose(points[:, 0], points[:, 1])


def test_every_part_of_sight_and_readout_learns_from_a_motion(sight: Sight) -> None:
    read = readout()
    hidden = torch.randn(2, HIDDEN, requires_grad=True)
    cells, values, points = sight(maps())
    motion, keyframe = read(hidden, cells, values, torch.randn(2, ROBOT))
    assert motion.shape == (2, 5, 8) and keyframe.shape == (2, 8)
    error = (motion - torch.randn(motion.shape)).abs().mean() + (keyframe - torch.randn(2, 8)).abs().mean()
    (error + points.square().mean()).backward()
    for part in (sight, read):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and bool(parameter.grad.any()), name
    assert hidden.grad is not None and bool(hidden.grad.any(dim=-1).all())


def test_one_word_is_heard_among_fifty() -> None:
    torch.manual_seed(2)
    phrases, robot = Phrases(30, 0, 16, HIDDEN, ROBOT), torch.zeros(1, ROBOT)
    for length in (2, 50):
        told = torch.randint(1, 20, (1, length))
        other = told.clone()
        told[..., length // 2], other[..., length // 2] = 28, 29
        assert (phrases(told, robot) - phrases(other, robot)).norm() > 0.05


def test_padding_around_a_text_asks_for_nothing() -> None:
    phrases, robot = Phrases(30, 0, 16, HIDDEN, ROBOT), torch.zeros(1, ROBOT)
    text = torch.tensor([[4, 7, 9, 12]])
    padded = torch.nn.functional.pad(text, (3, 8))
    torch.testing.assert_close(phrases(padded, robot), phrases(text, robot))
    nothing = [phrases(torch.zeros(1, length, dtype=torch.long), robot) for length in (5, 9)]
    torch.testing.assert_close(*nothing)


def test_what_is_asked_depends_on_which_word_stands_beside_which() -> None:
    phrases, robot = Phrases(30, 0, 16, HIDDEN, ROBOT), torch.zeros(1, ROBOT)
    left_end, right_side = (
        torch.tensor([[first, 3, 9, 9, 9, 9, second, 4]]) for first, second in ((1, 2), (2, 1))
    )
    assert not torch.allclose(phrases(left_end, robot), phrases(right_side, robot), atol=1e-3)


@torch.no_grad()
def test_the_state_of_the_robot_chooses_the_word_that_is_heard() -> None:
    phrases = Phrases(30, 0, 16, HIDDEN, 1)
    phrases.key = torch.nn.Identity()  # type: ignore[assignment]
    phrases.query = torch.nn.Linear(1, 16)  # type: ignore[assignment]
    phrases.neighbours.weight.zero_()
    phrases.neighbours.bias.zero_()
    phrases.words.weight.copy_(torch.randn(30, 16, generator=torch.Generator().manual_seed(0)))
    part, place = phrases.words.weight[5], phrases.words.weight[7]
    phrases.query.bias.copy_(50.0 * (part + place))
    phrases.query.weight.copy_((50.0 * (part - place)).unsqueeze(1))
    open_hand, holding = torch.ones(1, 1), -torch.ones(1, 1)
    told, other_place = torch.tensor([[5, 9, 9, 7]]), torch.tensor([[5, 9, 9, 8]])
    torch.testing.assert_close(phrases(told, open_hand), phrases(other_place, open_hand))
    assert (phrases(told, holding) - phrases(other_place, holding)).norm() > 0.05
