"""The bi-level tokeniser of the method: goal codes for the coarse motion, kinematics codes for the rest."""

from __future__ import annotations

from kinevla.actions.base import BILEVEL
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.residual import ResidualTokenizer
from kinevla.actions.rvq_vae import RvqVae
from kinevla.actions.tokenizer import TokenizerError
from kinevla.data.chunks import ChunkConfig


class BiLevelTokenizer(ResidualTokenizer):
    """Chunks to goal and kinematics codes and back (KineVLA, section 3.1).

    The codes of a chunk are the goal levels first, then the kinematics levels, which quantise what the goal
    levels left. The goal codes alone decode to a coarse motion. Arguments as `ResidualTokenizer`.
    """

    kind = BILEVEL

    def __init__(
        self, network: RvqVae, normaliser: ActionNormaliser, chunk_config: ChunkConfig, period_s: float
    ) -> None:
        super().__init__(network, normaliser, chunk_config, period_s)
        if network.config.kinematics_levels < 1:
            raise TokenizerError("a bi-level tokeniser needs kinematics_levels >= 1, got 0")
