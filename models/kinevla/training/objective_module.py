"""The training objective as a module, which is what several processes share the gradients of."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from kinevla.backbone.model import KineVLAModel
from kinevla.text import Vocabulary
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.distributed import all_gather_with_grad
from kinevla.training.inputs import visual_features
from kinevla.training.objective import PolicyLoss, policy_loss
from kinevla.training.samples import Part


class Objective(nn.Module):
    """The training objective of one part of a batch, as the module that processes share the gradients of."""

    weight: Tensor  # (D,) of each action dimension, for the readout

    def __init__(
        self, model: KineVLAModel, vocabulary: Vocabulary, config: PolicyTrainConfig, weight: Tensor
    ) -> None:
        super().__init__()
        self.model, self.bos, self.config = model, vocabulary.bos, config
        self.goal_codes = vocabulary.goal_codes
        self.register_buffer("weight", weight)

    def forward(self, part: Part) -> PolicyLoss:
        """Return the losses of a part; their mean over all parts of a step is the loss of its whole batch.

        The comparison of eq. 7 spans the samples of all processes, but not those of other accumulation parts,
        whose embeddings no longer exist: its mean over the parts stands for the loss of the batch.
        """
        device = part.state.device.type
        # For short sequences on a CPU the plain attention kernel is over half again as fast as the fused one.
        kernel = sdpa_kernel(SDPBackend.MATH) if device == "cpu" else contextlib.nullcontext()
        with kernel, torch.autocast(device, torch.bfloat16, enabled=self.config.bf16):
            seen = self.model.observe(visual_features(self.model, part.inputs), part.state, part.past)
            return policy_loss(
                self.model,
                seen,
                part.tokens,
                self.bos,
                self.config,
                sentences=part.sentences,
                writing=part.writing,
                positions=part.positions,
                gather=all_gather_with_grad,
                generator=torch.Generator().manual_seed(part.seed),
                goal_codes=self.goal_codes,
                weight=self.weight,
            )
