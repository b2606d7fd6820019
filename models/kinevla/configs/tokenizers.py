"""Action tokenisers by name: the method's, and those it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.configs.registry import Entry, Registry
from kinevla.data.chunks import ChunkConfig
from kinevla.training.tokenizer_config import TokenizerTrainingConfig

TokenizerKind = Literal["bilevel_rvq", "rvq", "bins", "fast"]


@dataclass(frozen=True)
class TokenizerPreset:
    """What a tokeniser is and how it is trained; `kind` as in its `tokenizer.json`."""

    kind: TokenizerKind
    training: TokenizerTrainingConfig = field(default_factory=TokenizerTrainingConfig)
    chunks: ChunkConfig = field(default_factory=ChunkConfig)


# Where codes spell a motion that is read as a whole, more of them cost nothing and lose less of it.
_FINE = TokenizerTrainingConfig(network=RvqVaeConfig(kinematics_levels=4), foreign_goal_share=0.5)
_TINY = TokenizerTrainingConfig(
    network=RvqVaeConfig(latent=16, hidden=32, blocks=1, codebook_size=16),
    stage1_steps=6, stage2_steps=6, warmup_steps=2, batch=64, start_batch=128,
)  # fmt: skip
TOKENIZERS: Registry[TokenizerPreset] = Registry(
    "tokenizer preset",
    Entry(
        "kinevla",
        "2 goal + 2 kinematics codes per chunk, trained in two stages (§3.1)",
        lambda: TokenizerPreset("bilevel_rvq"),
    ),
    Entry(
        "fine",
        "2 goal + 4 kinematics codes (small model)",
        lambda: TokenizerPreset("bilevel_rvq", _FINE),
    ),
    Entry(
        "single-vq",
        "4 codes of one residual quantiser, as many codes and steps (VQ-VLA)",
        lambda: TokenizerPreset("rvq", TokenizerTrainingConfig().single_level()),
    ),
    Entry(
        "bins",
        "256 uniform bins, one code per frame and joint (OpenVLA)",
        lambda: TokenizerPreset("bins"),
    ),
    Entry(
        "fast",
        "cosine transform and byte pairs, variable length; for the report only (FAST)",
        lambda: TokenizerPreset("fast"),
    ),
    Entry(
        "tiny",
        "a bi-level tokeniser that trains in a second, for tests",
        lambda: TokenizerPreset("bilevel_rvq", _TINY),
    ),
)
