"""What the words of a text ask of the motion at this moment.

In a decoder's state a word that decides on the motion is one of many, and training left it unheard. A sum
over all words is heard, but then every word has a say at every moment: a policy that had only carried to the
right what it held by the lower part carried there even what should go to the left. So the robot's state
chooses the words that matter now: which part, as long as the hand is open, and which place when it holds
something. What one word asks is then the same whatever the others say, also in sentences never taught.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SPAN = 5
_STRENGTH = 8.0  # The words that are chosen speak as loud as a short text whose words are added up


class Phrases(nn.Module):
    """Reads short phrases, with attention from the robot's state over them.

    Embedding and one convolution over neighbours (Kim 2014, arXiv:1408.5882), so that a left end and a left
    side differ; then a single head of attention.

    Args:
        robot_features: numbers that tell the state of the robot.
    """

    def __init__(
        self, vocabulary_size: int, pad_id: int, width: int, hidden: int, robot_features: int
    ) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.words = nn.Embedding(vocabulary_size, width)
        self.neighbours = nn.Conv1d(width, width, _SPAN, padding=_SPAN // 2)
        self.key = nn.Linear(width, width)
        self.query = nn.Sequential(
            nn.Linear(robot_features, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.out = nn.Linear(width, hidden)

    def forward(self, ids: Tensor, robot: Tensor) -> Tensor:
        """Read texts.

        Args:
            ids: (B, L) ids of a text, the pad id before, behind and where there is none.
            robot: (B, R) robot features.

        Returns:
            (B, hidden), independent of the padding; a constant without words.
        """
        spoken = ids != self.pad_id
        words = self.words(ids) * spoken.unsqueeze(-1)
        phrases = nn.functional.gelu(self.neighbours(words.transpose(1, 2)).transpose(1, 2)) + words
        query = self.query(robot.to(self.out.weight.dtype)) / self.out.in_features**0.5
        scores = torch.einsum("bld,bd->bl", self.key(phrases), query.to(phrases.dtype))
        weight = scores.float().masked_fill(~spoken, torch.finfo(torch.float32).min).softmax(-1)
        chosen = torch.einsum("bl,bld->bd", weight.to(phrases.dtype), phrases)
        told: Tensor = self.out(chosen * _STRENGTH)
        return told
