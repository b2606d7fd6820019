"""Action tokenisers by name: the method's, and those it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from kinevla.configs.registry import Entry, Registry
from kinevla.data.chunks import ChunkConfig

if TYPE_CHECKING:
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

TokenizerKind = Literal["bilevel_rvq", "rvq", "bins", "fast"]


@dataclass(frozen=True)
class TokenizerPreset:
    """What a tokeniser is and how it is trained.

    Attributes:
        kind: kind of the tokeniser, as in its `tokenizer.json`.
    """

    kind: TokenizerKind
    training: TokenizerTrainingConfig
    chunks: ChunkConfig = field(default_factory=ChunkConfig)


def _kinevla() -> TokenizerPreset:
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    return TokenizerPreset("bilevel_rvq", TokenizerTrainingConfig())


def _fine() -> TokenizerPreset:
    from kinevla.actions.rvq_vae import RvqVaeConfig
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    # Where codes spell a motion that is read as a whole, more of them cost nothing and lose less of it.
    return TokenizerPreset(
        "bilevel_rvq",
        TokenizerTrainingConfig(network=RvqVaeConfig(kinematics_levels=4), foreign_goal_share=0.5),
    )


def _single_vq() -> TokenizerPreset:
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    return TokenizerPreset("rvq", TokenizerTrainingConfig().single_level())


def _bins() -> TokenizerPreset:
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    return TokenizerPreset("bins", TokenizerTrainingConfig())


def _fast() -> TokenizerPreset:
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    return TokenizerPreset("fast", TokenizerTrainingConfig())


def _tiny() -> TokenizerPreset:
    from kinevla.actions.rvq_vae import RvqVaeConfig
    from kinevla.training.tokenizer_config import TokenizerTrainingConfig

    network = RvqVaeConfig(latent=16, hidden=32, blocks=1, codebook_size=16)
    training = TokenizerTrainingConfig(
        network=network, stage1_steps=6, stage2_steps=6, warmup_steps=2, batch=64, start_batch=128
    )
    return TokenizerPreset("bilevel_rvq", training)


TOKENIZERS: Registry[TokenizerPreset] = Registry(
    "tokenizer preset",
    Entry("kinevla", "2 goal + 2 kinematics codes per chunk, trained in two stages (§3.1)", _kinevla),
    Entry("fine", "2 goal + 4 kinematics codes (small model)", _fine),
    Entry("single-vq", "4 codes of one residual quantiser, as many codes and steps (VQ-VLA)", _single_vq),
    Entry("bins", "256 uniform bins, one code per frame and joint (OpenVLA)", _bins),
    Entry("fast", "cosine transform and byte pairs, variable length; for the report only (FAST)", _fast),
    Entry("tiny", "a bi-level tokeniser that trains in a second, for tests", _tiny),
)
