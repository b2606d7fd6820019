"""The tokeniser's training loss (eq. 3 of the paper).

The paper adds to the reconstruction a codebook term and a commitment term per level. The codebook term
``||sg(r) - e||^2`` is minimised in closed form, by moving averages that draw each code to the mean of the
residuals it was chosen for (see `rvq_vae`), so it needs no gradient and is no part of the returned loss. The
commitment term is `Quantised.commitment`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def reconstruction_loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """L1 distance of chunks (N, T, D), first line of eq. 3, divided by D: a mean over dimensions as well.

    `weights` (D,) weigh the dimensions (ours).
    """
    if weights is None:
        return F.l1_loss(output, target)
    return F.l1_loss(output * weights, target * weights)


def rvq_loss(reconstruction: Tensor, commitment: Tensor) -> Tensor:
    """Total loss, second line of eq. 3 without the codebook term.

    Args:
        commitment: sum over the levels that learn of beta times the mean squared distance between residual
            and chosen code: the paper's squared norm divided by the latent's d, averaged over the batch.
    """
    return reconstruction + commitment
