"""Training begins with all words speaking and ends with those that the robot's state chooses."""

from __future__ import annotations

import pytest
import torch

from kinevla.backbone.phrases import Phrases
from kinevla.training.stages.policy import words_choice


@pytest.mark.parametrize(("progress", "choice"), [(0.0, 0.0), (0.4, 0.0), (0.5, 0.5), (0.6, 1.0), (1.0, 1.0)])
def test_the_choice_comes_in_after_the_first_part_of_a_run(progress: float, choice: float) -> None:
    assert words_choice(progress, 0.4) == pytest.approx(choice)


def test_a_run_may_begin_with_the_choice() -> None:
    assert words_choice(0.2, 0.0) == 1.0


def test_without_a_choice_the_state_of_the_robot_says_nothing_about_the_words() -> None:
    torch.manual_seed(0)
    phrases = Phrases(vocabulary_size=20, pad_id=0, width=8, hidden=4, robot_features=3)
    ids, robots = torch.tensor([[0, 5, 6, 7]]), (torch.zeros(1, 3), torch.full((1, 3), 3.0))
    phrases.choice = 0.0
    phrases.train()
    torch.testing.assert_close(*(phrases(ids, robot) for robot in robots))
    phrases.choice = 1.0
    assert not torch.equal(*(phrases(ids, robot) for robot in robots))


def test_what_is_deployed_always_chooses() -> None:
    torch.manual_seed(0)
    phrases = Phrases(vocabulary_size=20, pad_id=0, width=8, hidden=4, robot_features=3)
    ids, robot = torch.tensor([[5, 6, 0]]), torch.ones(1, 3)
    chosen = phrases.eval()(ids, robot)
    phrases.choice = 0.0
    torch.testing.assert_close(phrases(ids, robot), chosen, rtol=0, atol=0)
