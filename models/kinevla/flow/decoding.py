"""From a finished sequence to a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from kinevla.backbone.model import KineVLAModel, Seen


@torch.no_grad()
def chunk_of_sequence(
    model: KineVLAModel, seen: Seen, prompt: Tensor, ids: Sequence[int], bos: int
) -> NDArray[np.float64]:
    """Compute the chunk that follows a finished sequence, in one decoder pass and the head's Euler steps.

    The pass runs over the whole prefix once more after the reasoning was generated; without reasoning it is
    the only one.

    Args:
        prompt: (P, hidden) embedded instruction, none where the motion follows from what is written alone.
        ids: answer, up to and including its end.

    Returns:
        (T, D) normalised actions.
    """
    assert model.flow_head is not None
    start = model.embed_ids(torch.tensor([[bos]], device=model.device))
    tokens = model.embed_ids(torch.tensor([list(ids)], dtype=torch.long, device=model.device))
    told = prompt[None].to(start)
    hidden = model.hidden_states(torch.cat([start, seen.tokens.to(start), told, tokens], dim=1))
    mask = torch.ones(hidden.shape[:2], dtype=torch.bool, device=model.device)
    return np.asarray(model.flow_head.sample(hidden, mask)[0].double().cpu().numpy(), dtype=np.float64)
