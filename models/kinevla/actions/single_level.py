"""The single-level residual tokeniser (as VQ-VLA's): the same network with one stack of codebooks."""

from __future__ import annotations

from kinevla.actions.base import SINGLE_LEVEL
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.residual import ResidualTokenizer
from kinevla.actions.rvq_vae import RvqVae
from kinevla.actions.tokenizer import TokenizerError
from kinevla.data.chunks import ChunkConfig


class SingleLevelTokenizer(ResidualTokenizer):
    """Chunks to the codes of one residual stack and back; they all count as goal codes.

    Arguments as `ResidualTokenizer`.
    """

    kind = SINGLE_LEVEL

    def __init__(
        self, network: RvqVae, normaliser: ActionNormaliser, chunk_config: ChunkConfig, period_s: float
    ) -> None:
        super().__init__(network, normaliser, chunk_config, period_s)
        if network.config.kinematics_levels != 0:
            raise TokenizerError(
                f"a single-level tokeniser has no kinematics levels, got {network.config.kinematics_levels}"
            )
