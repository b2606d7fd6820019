"""What came before, as far as it matters now: where the thing was taken, which part of a way is behind.

One look at a table does not tell how far a thing has been carried, nor whether it was put down already. So
the network may look back at the states of the robot at its earlier plans of the same instruction. It looks at
a few of them, each chosen by attention, and gets them as they were: a distance carried is then a difference
of two places. The pictures of earlier moments are not kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_HEADS = 4
_WIDTH = 64


class LookBack(nn.Module):
    """Attention of the robot's state over earlier ones.

    Args:
        robot: numbers that tell a state of the robot.
    """

    def __init__(self, robot: int) -> None:
        super().__init__()
        self.width = _HEADS * (robot + 1)
        # A moment is told by its state, by what changed until the next one (the hand closed), and by its age.
        self.key = nn.Sequential(
            nn.Linear(2 * robot + 1, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, _HEADS * _WIDTH)
        )
        self.query = nn.Sequential(nn.Linear(robot, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, _HEADS * _WIDTH))
        self.nothing = nn.Parameter(torch.zeros(_HEADS, _WIDTH))

    def forward(self, past: Tensor, there: Tensor, robot: Tensor) -> Tensor:
        """Look back.

        Args:
            past: (B, H, R) robot features at earlier moments, the latest first.
            there: (B, H) bool, False where there was none.
            robot: (B, R) robot features now.

        Returns:
            (B, width): of each head the features it found, and how much it found nothing.
        """
        later = torch.cat([robot.unsqueeze(1), past[:, :-1]], dim=1)
        age = torch.arange(1, past.shape[1] + 1, device=past.device, dtype=past.dtype).log()
        told = torch.cat([past, later - past, age.expand(len(past), -1).unsqueeze(-1)], dim=-1)
        keys = self.key(told).unflatten(-1, (_HEADS, _WIDTH))
        query = self.query(robot).unflatten(-1, (_HEADS, _WIDTH)) / _WIDTH**0.5
        scores = torch.einsum("bihw,bhw->bhi", keys, query).float()
        scores = scores.masked_fill(~there.unsqueeze(1), torch.finfo(torch.float32).min)
        nothing = torch.einsum("hw,bhw->bh", self.nothing.to(query.dtype), query).float().unsqueeze(-1)
        weight = torch.cat([nothing, scores], dim=-1).softmax(-1)
        found = torch.einsum("bhi,bir->bhr", weight[..., 1:], past.float())
        return torch.cat([weight[..., :1], found], dim=-1).flatten(1)
